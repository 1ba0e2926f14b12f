// Package pages is the frame of the pages that people use in a browser. A page is
// declared, as an operation of the API is, and the frame enforces what it declares. All
// work without script, except where a CAPTCHA is demanded or a passkey is used.
//
// What other programs post to is no page of this frame: shared/pages/resend, and
// shared/pages/unsubscribe, whose form RFC 8058 describes.
package pages

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"portico/shared/captcha"
)

// Page is one path.
type Page struct {
	ID       string // for routes and the log, such as "signIn"
	Path     string // its one parameter may be {connection}, the second step: what is secret stands in the query, which is not logged
	Function string // the folder below functions/web
	// AtOrganizations: the page also answers at the hosts of organizations. All others lead
	// from there to the site's own host.
	AtOrganizations bool
	// FromElsewhere: its form is made by another site, as SAML demands, so no check of where
	// a form comes from protects it. The frame takes all cookies away before the page sees the
	// request.
	FromElsewhere bool

	// Show answers a GET, and a POST whose form is refused. It changes nothing, but for a page
	// to which another site sends the browser back. Nil: only the forms of other pages lead
	// here.
	Show func(*Visit) (Answer, error)
	// Act answers a POST of a form; nil: the page is only read.
	Act func(*Visit) (Answer, error)

	// Limit says how many forms an address may send. Each further one needs a CAPTCHA, and
	// is refused if the stage has no vendor. Only a page that demands one lets the
	// browser load the vendor's script.
	Limit captcha.Challenge
	// Records names the event that Act writes, such as "session.start"; "none:" and the
	// reason if it writes none.
	Records string
}

var (
	idForm      = regexp.MustCompile(`^[a-z][A-Za-z]+$`)
	pathForm    = regexp.MustCompile(`^/[a-z][a-z0-9-]*(/\{connection\})?(/[a-z][a-z0-9-]*)*$`)
	recordsForm = regexp.MustCompile(`^([a-z_]+\.[a-z_]+|none: .{10,})$`)
)

// check returns what is missing in a declaration.
func (p Page) check() error {
	var missing []string
	needs := func(ok bool, what string) {
		if !ok {
			missing = append(missing, what)
		}
	}
	needs(idForm.MatchString(p.ID), "id in camel case")
	needs(pathForm.MatchString(p.Path), "path such as /sign-in")
	needs(p.Function != "", "function")
	needs(p.Show != nil || p.Act != nil, "handler")
	if p.Act != nil {
		needs(p.Limit.Check() == nil && p.Limit.After > 0, "limit")
		needs(recordsForm.MatchString(p.Records), "event that it records")
	} else {
		needs(p.Limit == (captcha.Challenge{}) && p.Records == "", "act for its limit and event")
	}
	if missing != nil {
		return fmt.Errorf("the page %q has no %s", p.ID, strings.Join(missing, ", no "))
	}
	return nil
}

// Methods lists what a page answers, for the gateway.
func (p Page) Methods() (methods []string) {
	if p.Show != nil {
		methods = append(methods, "GET")
	}
	if p.Act != nil {
		methods = append(methods, "POST")
	}
	return methods
}

// index returns pages by path, or what is wrong with their declarations.
func index(pages []Page) (map[string]*Page, error) {
	var faults []error
	byPath, ids := map[string]*Page{}, map[string]bool{}
	for _, p := range pages {
		faults = append(faults, p.check())
		if byPath[p.Path] != nil || ids[p.ID] {
			faults = append(faults, fmt.Errorf("the page %q at %s is declared twice", p.ID, p.Path))
		}
		byPath[p.Path], ids[p.ID] = &p, true
	}
	return byPath, errors.Join(faults...)
}

// connection is the parameter of paths.
const connection = "{connection}"

// find returns the page of a path, and the connection that the path names; "": none.
func (f *Frame) find(path string) (page *Page, named string) {
	if page = f.pages[path]; page != nil {
		return page, ""
	}
	steps := strings.Split(path, "/")
	if len(steps) < 3 {
		return nil, ""
	}
	named, steps[2] = steps[2], connection
	return f.pages[strings.Join(steps, "/")], named
}
