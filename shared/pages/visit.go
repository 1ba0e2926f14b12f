package pages

import (
	"bytes"
	"errors"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"portico/shared/audit"
	"portico/shared/captcha"
	"portico/shared/pages/visit"
)

// Visit is one request of a page while it is answered.
type Visit struct {
	Request *http.Request
	Captcha *captcha.Shown // what the form must show; nil: nothing

	page  *Page
	frame *Frame
	place place
	// connection is what the path names; "": nothing.
	connection string
	lang       string
	header     http.Header
	cookies    []*http.Cookie
	told       string            // a sentence above the page
	faults     map[string]string // by the field's name: the sentence's key
	cause      error             // for the log
	demanded   string
	solved     bool   // a CAPTCHA came with this form
	leads      string // where the form may lead to besides this host, for the policy
}

// Answer is what a page answers: a view, or another page to go to.
type Answer struct {
	Status int    // 0: 200
	View   string // the name of a template
	Title  string // the key of its text
	Data   any    // for the template
	Script string // the name of the page's own script; "": it has none

	location string
	again    bool
	document []byte // in place of a view
	kind     string // its type
}

// Address returns where the visit is from; see visit.Address.
func (v *Visit) Address() netip.Addr { return visit.Address(v.Request) }

// Origin returns where the visit is from; see visit.Origin.
func (v *Visit) Origin() audit.Origin { return visit.Origin(v.Request) }

// Lang returns the person's language, "en" or "de".
func (v *Visit) Lang() string { return v.lang }

// Connection returns the connection that the path names, as it stands there.
func (v *Visit) Connection() string { return v.connection }

// Document answers with a text that is not for people, of a type such as text/xml.
func (v *Visit) Document(kind string, text []byte) Answer {
	return Answer{document: text, kind: kind}
}

// Missing answers that there is no page here.
func (v *Visit) Missing() Answer { return v.frame.fault(v, http.StatusNotFound) }

// Form returns a field of the form that was sent. Fields of the address are not among
// them.
func (v *Visit) Form(name string) string { return v.Request.PostForm.Get(name) }

// Query returns a parameter of the address.
func (v *Visit) Query(name string) string { return v.Request.URL.Query().Get(name) }

// Go leads to another page of this host by GET, whatever the path has come from.
func (v *Visit) Go(path string) Answer {
	if to, err := url.Parse(path); err != nil || to.IsAbs() || to.Host != "" || !strings.HasPrefix(to.Path, "/") || strings.ContainsAny(path, "\\") {
		path = "/"
	}
	return Answer{Status: http.StatusSeeOther, location: path}
}

// Leave leads to an address of another site that the caller trusts. It is a page and no
// redirect, because browsers follow redirects of a form only to where our policy lets forms
// go, which is this host.
func (v *Visit) Leave(url string) Answer {
	return Answer{View: "leave", Title: "leave.title", Data: url}
}

// Leads says that the form of this page may lead to an address elsewhere, which the page
// has checked. Browsers refuse all others.
func (v *Visit) Leads(to string) {
	u, err := url.Parse(to)
	switch {
	case err != nil || strings.ContainsAny(u.Host, ";,'\" "):
	case u.Host != "":
		v.leads = " " + u.Scheme + "://" + u.Host
	default:
		v.leads = " " + u.Scheme + ":"
	}
}

// Redirect leads at once to an address elsewhere, which the page has checked. After a form,
// only Leads makes browsers follow it.
func (v *Visit) Redirect(to string) Answer { return Answer{Status: http.StatusSeeOther, location: to} }

// Mark says what is wrong with a field, by the key of a sentence.
func (v *Visit) Mark(field, key string) {
	if v.faults == nil {
		v.faults = map[string]string{}
	}
	if v.faults[field] == "" {
		v.faults[field] = key
	}
}

// Marked reports whether anything is wrong with the form.
func (v *Visit) Marked() bool { return len(v.faults) > 0 || v.told != "" }

// Tell says a sentence above the page, by its key.
func (v *Visit) Tell(key string) { v.told = key }

// Because notes for the log why a form was refused.
func (v *Visit) Because(err error) { v.cause = err }

// Again shows the form again, with what was sent except passwords, and with what is
// wrong with it: 422.
func (v *Visit) Again() Answer { return Answer{again: true} }

// show answers a POST with the page itself.
func (v *Visit) show(status int) (Answer, error) {
	a, err := v.page.Show(v)
	if err == nil && a.Status == 0 {
		a.Status = status
	}
	return a, err
}

// cookiePrefix makes browsers refuse a cookie that another host has set.
const cookiePrefix = "__Host-"

// Cookie returns the value of one of our cookies.
func (v *Visit) Cookie(name string) string {
	c, err := v.Request.Cookie(cookiePrefix + name)
	if err != nil {
		return ""
	}
	return c.Value
}

// SetCookie sets one of our cookies, for a time; 0: until the browser ends. An empty
// value removes it.
func (v *Visit) SetCookie(name, value string, age time.Duration) {
	c := &http.Cookie{Name: cookiePrefix + name, Value: value, Path: "/", MaxAge: int(age.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	v.cookies = append(v.cookies, c)
}

// send writes an answer. What a template writes before it fails is not sent.
func (f *Frame) send(w http.ResponseWriter, v *Visit, a Answer) (status int) {
	if a.location != "" {
		v.header.Set("Location", a.location)
	}
	var body bytes.Buffer
	switch {
	case a.document != nil:
		v.header.Set("Content-Type", a.kind)
		body.Write(a.document)
	case a.location == "":
		if err := f.Book.write(&body, v, a); err != nil {
			v.cause = err
			body.Reset()
			a = f.fault(v, http.StatusInternalServerError)
			_ = f.Book.write(&body, v, a) // the frame's own page is tested
		}
		v.header.Set("Content-Type", "text/html; charset=utf-8")
	}
	v.header.Set("Content-Security-Policy", f.Book.policy(v.Captcha, a.Script, v.leads))
	for _, c := range v.cookies {
		http.SetCookie(w, c)
	}
	if status = a.Status; status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // nobody is left to tell
	return status
}

// Solve returns nil if a CAPTCHA came with the form, or the stage has no vendor. After an
// error the form is shown again with one.
func (v *Visit) Solve() error {
	gate, demanded := v.frame.Gate, captcha.Challenge{Name: v.page.Limit.Name}
	if v.solved || gate.Widget(demanded) == nil {
		return nil
	}
	shown, why, err := gate.PassPage(v.Request, demanded, captcha.Visitor{Address: v.Address()})
	if v.demanded = why; errors.Is(err, captcha.ErrRequired) || errors.Is(err, captcha.ErrInvalid) {
		v.Captcha = shown
		v.Tell("captcha.solve")
	}
	v.solved = err == nil
	return err
}

// Later shows the form again, with the sentence of a key, and says how long to wait.
func (v *Visit) Later(key string, wait time.Duration) Answer {
	v.Tell(key)
	v.header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return Answer{again: true, Status: http.StatusTooManyRequests}
}

// Input is a field of a form.
type Input struct {
	Name, Kind, Complete string // Kind and Complete are the attributes type and autocomplete
	Label, Value, Fault  string
}

// Input returns a field with its label and, after a form was refused, with what was
// sent and what is wrong. A password is never sent back.
func (v *Visit) Input(name, kind, complete string) Input {
	in := Input{Name: name, Kind: kind, Complete: complete, Label: "field." + name, Fault: v.faults[name]}
	if kind != "password" {
		in.Value = v.Form(name)
	}
	return in
}

// Note puts an error into the log that the page itself says in its own words.
func (v *Visit) Note(err error) { v.cause = err }

// Told returns the key of the sentence above the page, or "".
func (v *Visit) Told() string { return v.told }

// RequestID returns the id that a person may give to support.
func (v *Visit) RequestID() string { return v.header.Get("X-Request-Id") }

// matcher chooses one of languages.
var matcher = newMatcher()

func newMatcher() language.Matcher {
	var tags []language.Tag
	for _, lang := range languages {
		tags = append(tags, language.Make(lang))
	}
	return language.NewMatcher(tags)
}

// languageOf returns the language that a browser likes best of those that we have.
func languageOf(accept string) string {
	_, best := language.MatchStrings(matcher, accept)
	return languages[best]
}
