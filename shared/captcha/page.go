package captcha

import "net/http"

// Shown is what a page renders to show a widget: the element
// `<div class="{Class}" data-sitekey="{SiteKey}" data-action="{Action}"></div>` inside
// of its form, and the script. Its Content-Security-Policy must allow Sources.
type Shown struct {
	Widget
	Class, Script, Sources string
}

// PassPage is Pass for a page with a form. It takes the token from the form, whose
// size the page has bounded. A request that only reads is not counted and never
// refused. shown is not nil if the page must render the widget: it was refused, or
// its form would be refused without a token, as far as that is known.
func (g *Gate) PassPage(r *http.Request, c Challenge, v Visitor) (shown *Shown, why string, err error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		always, scored := c.After == 0 && c.Score == 0, c.Score > 0 && v.Score >= c.Score
		if always || scored {
			return g.shown(c), "", nil
		}
		return nil, "", nil
	}
	if g.Verifier != nil {
		v.Token = r.PostFormValue(g.Verifier.config.Vendor.Field)
	}
	if why, err = g.Pass(r.Context(), c, v); err != nil {
		return g.shown(c), why, err
	}
	return nil, why, nil
}

func (g *Gate) shown(c Challenge) *Shown {
	w := g.Widget(c)
	if w == nil {
		return nil
	}
	vendor := g.Verifier.config.Vendor
	return &Shown{Widget: *w, Class: vendor.Class, Script: vendor.Script, Sources: vendor.Sources}
}
