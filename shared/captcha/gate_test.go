package captcha_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"portico/shared/captcha"
	"portico/shared/testkit"
)

// A challenge is demanded from the score on, after the number of requests, or
// always; and when the requests cannot be counted.
func TestWhenDemanded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.DynamoDBEndpoint(t), captcha.Turnstile)
	var over bool
	var away error
	count := func(_ context.Context, from netip.Addr, name string, limit int64, window time.Duration) (bool, error) {
		if from != viewer || name != "signIn" || limit != 3 || window != time.Minute {
			t.Errorf("counted %s %s %d %s", from, name, limit, window)
		}
		return over, away
	}
	always, after, scored := captcha.Challenge{Name: "signIn"}, captcha.Challenge{Name: "signIn", After: 3, Window: time.Minute}, captcha.Challenge{Name: "signIn", Score: 50}
	both := captcha.Challenge{Name: "signIn", After: 3, Window: time.Minute, Score: 50}
	for _, tt := range []struct {
		name  string
		c     captcha.Challenge
		score int
		over  bool
		away  error
		count captcha.Count
		want  string
	}{
		{"always", always, 0, false, nil, nil, captcha.Always},
		{"below the number", after, 100, false, nil, count, ""},
		{"over it", after, 0, true, nil, count, captcha.ByCount},
		{"not counted", after, 0, false, errors.New("away"), count, captcha.Uncounted},
		{"nobody counts", after, 0, false, nil, nil, captcha.Uncounted},
		{"below the score", scored, 49, false, nil, nil, ""},
		{"at the score", scored, 50, false, nil, nil, captcha.ByScore},
		{"neither", both, 49, false, nil, count, ""},
		{"the score of both", both, 50, false, nil, count, captcha.ByScore},
		{"the number of both", both, 0, true, nil, count, captcha.ByCount},
	} {
		over, away = tt.over, tt.away
		gate := &captcha.Gate{Verifier: f.verifier(), Count: tt.count}
		visitor := captcha.Visitor{Address: viewer, Score: tt.score}
		why, err := gate.Pass(t.Context(), tt.c, visitor)
		if why != tt.want || errors.Is(err, captcha.ErrRequired) != (tt.want != "") {
			t.Errorf("%s: %q %v", tt.name, why, err)
		}
		visitor.Token = "token of " + strings.ReplaceAll(tt.name, " ", "-")
		if _, err := gate.Pass(t.Context(), tt.c, visitor); tt.want != "" && !errors.Is(err, captcha.ErrInvalid) { // it has a space
			t.Errorf("%s: a bad token: %v", tt.name, err)
		}
		visitor.Token = strings.ReplaceAll(visitor.Token, " ", "-")
		if _, err := gate.Pass(t.Context(), tt.c, visitor); err != nil {
			t.Errorf("%s: a good token: %v", tt.name, err)
		}
		if _, err := (&captcha.Gate{Count: tt.count}).Pass(t.Context(), tt.c, visitor); errors.Is(err, captcha.ErrAway) != (tt.want != "") {
			t.Errorf("%s: without a verifier: %v", tt.name, err)
		}
	}
	if w := (&captcha.Gate{Verifier: f.verifier()}).Widget(always); w == nil || *w != (captcha.Widget{Vendor: "turnstile", SiteKey: "site", Action: "signIn"}) {
		t.Errorf("the widget is %v", w)
	}
}

// An incomplete declaration is an error.
func TestDeclaration(t *testing.T) {
	for want, c := range map[string]captcha.Challenge{
		"":               {Name: "signIn", After: 1, Window: time.Hour, Score: 100},
		"a name":         {},
		"at most 32":     {Name: strings.Repeat("x", 33)},
		"or neither":     {Name: "x", After: 1},
		"both a number":  {Name: "x", Window: 1},
		"and a window":   {Name: "x", After: -1, Window: 1},
		"a score of 101": {Name: "x", Score: 101},
		"a score of -1":  {Name: "x", Score: -1},
	} {
		if err := c.Check(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", c, err, want)
		}
	}
	if _, err := captcha.VendorNamed("recaptcha"); err == nil {
		t.Error("an unknown vendor is accepted")
	}
}

// page is a page with a form, as pages do it.
func page(gate *captcha.Gate, c captcha.Challenge, score int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown, _, err := gate.PassPage(r, c, captcha.Visitor{Address: viewer, Score: score})
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
		}
		if shown != nil {
			_, _ = w.Write([]byte(shown.Class + " " + shown.SiteKey + " " + shown.Script))
		}
	})
}

// A page shows the widget when a form would be refused without a token, counts only
// forms, and takes the token from the vendor's field.
func TestPage(t *testing.T) {
	t.Parallel()
	eachStore(t, func(f *fixture) {
		f.config.Vendor.HasAction = false
		counted := 0
		gate := &captcha.Gate{Verifier: f.verifier(), Count: func(context.Context, netip.Addr, string, int64, time.Duration) (bool, error) {
			counted++
			return counted > 1, nil
		}}
		send := func(method string, c captcha.Challenge, score int, form string) (int, string) {
			r := httptest.NewRequest(method, "/", strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			page(gate, c, score).ServeHTTP(w, r)
			return w.Code, w.Body.String()
		}
		after := captcha.Challenge{Name: "form", After: 1, Window: time.Minute, Score: 50}
		field := f.config.Vendor.Field
		for n, step := range []struct {
			method string
			score  int
			form   string
			status int
			widget bool
		}{
			{"GET", 0, "", 200, false}, {"GET", 60, "", 200, true}, {"HEAD", 0, "", 200, false}, {"GET", 0, "", 200, false},
			{"POST", 0, "x=1", 200, false},
			{"POST", 0, "x=1", 403, true},
			{"POST", 0, "x=1&other-field=good", 403, true},
			{"POST", 0, "x=1&" + field + "=good", 200, false},
			{"POST", 0, "x=1&" + field + "=good", 403, true},
		} {
			status, body := send(step.method, after, step.score, step.form)
			widget := strings.Contains(body, f.config.Vendor.Class+" site https://")
			if status != step.status || widget != step.widget {
				f.Errorf("step %d: %d %q", n, status, body)
			}
		}
		if _, body := send("GET", captcha.Challenge{Name: "form"}, 0, ""); body == "" {
			f.Error("a challenge that is always demanded shows no widget at first")
		}
		f.config.Secret = ""
		gate.Verifier = f.verifier()
		if status, body := send("POST", after, 0, "x=1&"+field+"=new"); status != 403 || body != "" {
			f.Errorf("without a secret: %d %q", status, body)
		}
	})
}
