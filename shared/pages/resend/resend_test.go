package resend_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/mail/feedback"
	"portico/shared/observe"
	"portico/shared/pages/resend"
	"portico/shared/testkit"
)

const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// What is not signed by Resend is refused before it is read. What is not about
// whether a mail arrived is accepted, so that it does not come again; what cannot be
// applied comes again.
func TestHandler(t *testing.T) {
	t.Parallel()
	key, err := feedback.ResendSecret(secret)
	testkit.Must(t, err)
	mail := id.Derive[id.Mail]("a mail")
	bounced := `{"type":"email.bounced","created_at":"2026-03-05T14:03:00Z","data":{"email_id":"re_1","tags":[{"name":"mail_id","value":"` + mail.String() + `"}],"bounce":{"type":"Permanent"}}}`
	var applied []feedback.Report
	var fails error
	h := &resend.Handler{Key: key, Clock: clock.New(0), Log: observe.NewLog(&testkit.Log{}, "test"), Apply: func(_ context.Context, r feedback.Report) error {
		applied = append(applied, r)
		return fails
	}}
	none := *h
	none.Key = nil
	for _, tt := range []struct {
		name, method, path, body string
		handler                  *resend.Handler
		age                      time.Duration
		unsigned                 bool
		fails                    error
		want                     int
		applied                  int
	}{
		{"a bounce", "POST", resend.Path, bounced, h, 0, false, nil, 204, 1},
		{"it comes again", "POST", resend.Path, bounced, h, 0, false, nil, 204, 1},
		{"a store is away", "POST", resend.Path, bounced, h, 0, false, errors.New("away"), 503, 1},
		{"something else", "POST", resend.Path, `{"type":"email.opened"}`, h, 0, false, nil, 204, 0},
		{"signed junk", "POST", resend.Path, `[`, h, 0, false, nil, 400, 0},
		{"no signature", "POST", resend.Path, bounced, h, 0, true, nil, 401, 0},
		{"an old one", "POST", resend.Path, bounced, h, time.Hour, false, nil, 401, 0},
		{"too large", "POST", resend.Path, strings.Repeat("x", feedback.MaxResend+1), h, 0, false, nil, 413, 0},
		{"another method", "GET", resend.Path, "", h, 0, false, nil, 405, 0},
		{"another path", "POST", "/hooks/x", bounced, h, 0, false, nil, 404, 0},
		{"not through Resend", "POST", resend.Path, bounced, &none, 0, false, nil, 404, 0},
	} {
		applied, fails = nil, tt.fails
		server := httptest.NewServer(tt.handler)
		r, err := http.NewRequest(tt.method, server.URL+tt.path, strings.NewReader(tt.body))
		testkit.Must(t, err)
		if !tt.unsigned {
			at := h.Clock.Now().Add(-tt.age)
			webhook, err := standard.NewWebhook(secret)
			testkit.Must(t, err)
			signature, err := webhook.Sign("msg_1", at, []byte(tt.body))
			testkit.Must(t, err)
			r.Header.Set("Svix-Id", "msg_1")
			r.Header.Set("Svix-Timestamp", fmt.Sprint(at.Unix()))
			r.Header.Set("Svix-Signature", signature)
		}
		w, err := http.DefaultClient.Do(r)
		testkit.Must(t, err)
		text, err := io.ReadAll(w.Body)
		testkit.Must(t, err)
		w.Body.Close()
		server.Close()
		if w.StatusCode != tt.want || len(applied) != tt.applied || (len(text) == 0) != (tt.want == http.StatusNoContent) {
			t.Errorf("%s: %d, %d applied; want %d, %d. %s", tt.name, w.StatusCode, len(applied), tt.want, tt.applied, text)
		}
		if len(applied) > 0 && (applied[0].Mail != mail || applied[0].Bounce != feedback.Permanent) {
			t.Errorf("%s: %+v", tt.name, applied[0])
		}
		if tt.want == http.StatusMethodNotAllowed && w.Header.Get("Allow") != "POST" {
			t.Errorf("%s: %v", tt.name, w.Header)
		}
	}
}
