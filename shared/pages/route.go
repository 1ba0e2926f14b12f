package pages

import (
	"slices"
	"strings"
)

// Route is a path of the gateway that leads to pages. The frame refuses wrong methods, and
// what is no page.
type Route struct {
	ID, Path, Function string
}

// Routes returns the routes of pages: one for each, but one for all that are below the
// same first step of the path, because API Gateway takes 300.
func Routes(all []Page) (routes []Route) {
	below := map[string]int{}
	for _, p := range all {
		if area, deeper := areaOf(p.Path); deeper {
			below[area]++
		}
	}
	for _, p := range all {
		r := Route{p.ID, p.Path, p.Function}
		if area, deeper := areaOf(p.Path); deeper && below[area] > 1 {
			r.ID, r.Path = idOf(area)+"Pages", area+"/{page+}"
		}
		if !slices.Contains(routes, r) {
			routes = append(routes, r)
		}
	}
	return routes
}

// areaOf returns the first step of a path, and whether there are more.
func areaOf(path string) (area string, deeper bool) {
	step, _, deeper := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return "/" + step, deeper
}

// idOf makes /sign-in signIn.
func idOf(area string) (id string) {
	for i, word := range strings.Split(strings.TrimPrefix(area, "/"), "-") {
		if i > 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		id += word
	}
	return id
}
