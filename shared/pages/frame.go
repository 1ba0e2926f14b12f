package pages

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"portico/shared/captcha"
	"portico/shared/fault"
	"portico/shared/observe"
	"portico/shared/pages/visit"
	"portico/shared/pg"
)

// Frame serves pages.
type Frame struct {
	Log   *observe.Log
	Gate  captcha.Gate
	Book  *Book
	Hosts Hosts

	pages map[string]*Page
	// cross refuses forms that another site has made, but for a page that is declared
	// FromElsewhere.
	cross http.CrossOriginProtection
}

// What a form has at most, in bytes, and one that another site has made.
const (
	maxForm          = 64 << 10
	maxFromElsewhere = 512 << 10
)

// retryAfter is what a person is told to wait after too many forms, or while a store is
// away.
const retryAfter = time.Minute

// Handler returns what serves the pages. It fails if a declaration is incomplete.
func (f *Frame) Handler(pages ...Page) (http.Handler, error) {
	var err error
	f.pages, err = index(pages)
	return f, err
}

// ServeHTTP answers one request and writes one log line, which has neither the
// person's input nor the query.
func (f *Frame) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	page, connection := f.find(r.URL.Path)
	v := &Visit{Request: r, page: page, connection: connection, frame: f, lang: languageOf(r.Header.Get("Accept-Language")), header: w.Header()}
	guard(v.header)
	v.header.Set("X-Request-Id", observe.RequestID(r.Context()))
	status := f.answer(w, v)
	f.record(v, status, time.Since(start))
}

// answer runs the page and sends what it answers.
func (f *Frame) answer(w http.ResponseWriter, v *Visit) (status int) {
	defer func() {
		if p := recover(); p != nil {
			v.cause = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			status = f.send(w, v, f.fault(v, http.StatusInternalServerError))
		}
	}()
	a, err := f.run(v)
	if err != nil {
		v.cause = err
		a = f.fault(v, statusOf(err))
	}
	return f.send(w, v, a)
}

func (f *Frame) run(v *Visit) (Answer, error) {
	r := v.Request
	var err error
	if v.place, err = f.Hosts.placeOf(r.Context(), r.Host); err != nil {
		return Answer{}, err
	}
	switch {
	case v.page == nil:
		return f.fault(v, http.StatusNotFound), nil
	case v.place.host == "", !v.place.org.IsZero() && !v.page.AtOrganizations:
		return f.elsewhere(v), nil
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && v.page.Show != nil:
		if err := f.admit(v); err != nil {
			return Answer{}, err
		}
		return v.page.Show(v)
	case r.Method != http.MethodPost || v.page.Act == nil:
		v.header.Set("Allow", strings.Join(v.page.Methods(), ", "))
		return f.fault(v, http.StatusMethodNotAllowed), nil
	}
	if v.page.FromElsewhere {
		r.Header.Del("Cookie")
	}
	if status := f.readForm(v); status != 0 {
		return f.fault(v, status), nil
	}
	if err := f.admit(v); err != nil {
		return f.refuse(v, err)
	}
	a, err := v.page.Act(v)
	if err == nil && a.again {
		return v.show(cmp.Or(a.Status, http.StatusUnprocessableEntity))
	}
	return a, err
}

// readForm reads the form of a POST. It returns the status of a form that is refused
// unread.
func (f *Frame) readForm(v *Visit) (status int) {
	most := int64(maxForm)
	if v.page.FromElsewhere {
		most = maxFromElsewhere
	} else if f.cross.Check(v.Request) != nil {
		return http.StatusForbidden
	}
	if kind, _, err := mime.ParseMediaType(v.Request.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return http.StatusUnsupportedMediaType
	}
	v.Request.Body = http.MaxBytesReader(nil, v.Request.Body, most)
	err := v.Request.ParseForm()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge
	case err != nil:
		return http.StatusBadRequest
	}
	return 0
}

// admit demands a CAPTCHA from an address that has sent too many forms.
func (f *Frame) admit(v *Visit) (err error) {
	if v.page.Act == nil {
		return nil
	}
	v.Captcha, v.demanded, err = f.Gate.PassPage(v.Request, v.page.Limit, captcha.Visitor{Address: v.Address()})
	v.solved = err == nil && v.demanded != ""
	return err
}

// refuse shows the form again with a CAPTCHA, or says that there were too many.
func (f *Frame) refuse(v *Visit, err error) (Answer, error) {
	if v.Captcha == nil || v.page.Show == nil {
		v.cause = err
		return f.fault(v, http.StatusTooManyRequests), nil
	}
	v.Tell("captcha.solve")
	return v.show(http.StatusTooManyRequests)
}

// fault is the page that says why there is no other one.
func (f *Frame) fault(v *Visit, status int) Answer {
	if status >= http.StatusInternalServerError {
		v.cookies = nil // of a page that did not come to its end
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		v.header.Set("Retry-After", fmt.Sprint(int(retryAfter.Seconds())))
	}
	key := fmt.Sprint("fault.", status)
	return Answer{Status: status, View: "fault", Title: key + ".title", Data: key + ".text"}
}

// statusOf returns the status of an error of a page.
func statusOf(err error) int {
	switch known := fault.Of(err); {
	case known == nil && pg.IsTransient(err):
		return http.StatusServiceUnavailable
	case known != nil && known.Kind == fault.Unavailable:
		return http.StatusServiceUnavailable
	case known != nil && known.Kind == fault.TooMany:
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}

func (f *Frame) record(v *Visit, status int, took time.Duration) {
	var attrs []slog.Attr
	if v.page != nil {
		attrs = append(attrs, slog.String("page", v.page.ID), slog.String("path", v.page.Path))
	}
	if v.demanded != "" {
		attrs = append(attrs, slog.String("captcha_demanded_by", v.demanded))
	}
	visit.Record(f.Log, "page", v.Request, status, v.cause, took, attrs...)
}

// guard sets the headers that every page has. send adds the policy.
func guard(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Vary", "Accept-Language")
}
