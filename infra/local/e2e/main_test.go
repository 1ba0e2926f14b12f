package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	stripe "github.com/stripe/stripe-go/v76/webhook"

	"portico/shared/api"
	"portico/shared/directory"
	"portico/shared/pages"
	"portico/shared/pages/admin"
	"portico/shared/pages/resend"
	"portico/shared/pages/saml"
	"portico/shared/pages/setup"
	"portico/shared/pages/signin"
	"portico/shared/pages/token"
	"portico/shared/pages/unsubscribe"
	"portico/shared/testkit"
)

// A published event reaches its endpoint, byte for byte and with a signature
// that Stripe's verifier accepts, and the delivery can be read back.
func TestDelivered(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, shared)
	rec := newReceiver(t, nil)
	endpoint, secret := c.endpoint(rec.URL)
	data := `{"big":123456789012345678901234567890,"price":1.10,"html":"<b>&","nul":"\u0000","lone":"\ud800","deep":[[[[[1]]]]]}`
	event := c.publish(data)
	testkit.Await(t, "the delivery", func() bool { return rec.count(event) == 1 })
	got := rec.All()[0]
	if !strings.HasPrefix(string(got.Body), `{"id":"`+event+`","type":"invoice.paid","created_at":"`) || !strings.HasSuffix(string(got.Body), `","data":`+data+`}`) {
		t.Errorf("body %s", got.Body)
	}
	if err := stripe.ValidatePayload(got.Body, got.Header.Get("Webhook-Signature"), secret); err != nil {
		t.Errorf("Stripe's verifier: %v", err)
	}
	testkit.Await(t, "the record", func() bool { return c.deliveries(endpoint)[0].Status == "delivered" })
	d := c.deliveries(endpoint)[0]
	if d.EventID != event || len(d.Attempts) != 1 || *d.Attempts[0].StatusCode != 200 {
		t.Errorf("delivery %+v", d)
	}
}

// Whatever a receiver does, its attempt says what happened, and other deliveries
// are not delayed.
func TestBadReceivers(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, shared)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	good := newReceiver(t, nil)
	c.endpoint(good.URL)
	bad := []struct {
		name   string
		answer func(int, http.ResponseWriter, *http.Request)
		want   string // status and error of the first attempt
		id     string
	}{
		{name: "slow", want: "pending no complete response within 10s", answer: func(_ int, _ http.ResponseWriter, r *http.Request) {
			select {
			case <-stop:
			case <-r.Context().Done():
			}
		}},
		{name: "redirecting", want: "pending redirects are not followed: give the final URL", answer: func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, good.URL, http.StatusMovedPermanently)
		}},
		{name: "closing", want: "pending the connection was closed before the response was complete", answer: func(_ int, w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
				conn.Close()
			}
		}},
		{name: "endless", want: "delivered ", answer: func(_ int, w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}},
	}
	for i := range bad {
		bad[i].id, _ = c.endpoint(newReceiver(t, bad[i].answer).URL)
	}
	event := c.publish(`1`)
	testkit.Await(t, "the good receiver's delivery", func() bool { return good.count(event) == 1 })
	for _, b := range bad {
		t.Run(b.name, func(t *testing.T) {
			var d delivery
			testkit.Await(t, "the first attempt", func() bool { d = c.deliveries(b.id)[0]; return len(d.Attempts) > 0 })
			got := d.Status + " "
			if e := d.Attempts[0].Error; e != nil {
				got += *e
			}
			if got != b.want || len(d.Attempts[0].ResponseBody) > 4096 {
				t.Errorf("%q with %d bytes, want %q", got, len(d.Attempts[0].ResponseBody), b.want)
			}
		})
	}
	if n := good.count(""); n != 1 {
		t.Errorf("the good receiver got %d requests: a redirect was followed", n)
	}
}

// Also through the gateway problems name the fault, repeated requests have one
// effect, and another organization's data are not found.
func TestEdgeThroughTheGateway(t *testing.T) {
	t.Parallel()
	c, other := newCustomer(t, shared), newCustomer(t, shared)
	endpoint, _ := c.endpoint("https://example.com/")
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		part                     string
	}{
		{"health", "GET", "/healthz", "", 200, `"ok"`},
		{"openapi", "GET", "/openapi.json", "", 200, `"openapi": "3.1.0"`},
		{"docs", "GET", "/docs", "", 200, "Publish an event"},
		{"a guide", "GET", "/docs/receiving-webhooks", "", 200, "<h1"},
		{"another method", "DELETE", "/v1/events", "", 405, "method_not_allowed"},
		{"source addresses", "GET", "/v1/webhook-source-ips", "", 200, `{"data":["127.0.0.1"]}`},
		{"rotation of another organization's secret", "POST", "/v1/webhook-endpoints/" + endpoint + "/rotate-secret", "{}", 404, "webhook_endpoint_not_found"},
		{"no such route", "GET", "/v1/nothing", "", 404, "no_such_route"},
		{"a path with odd characters", "GET", "/v1/events/%2e%2e%2f%00", "", 404, "no_such_route"},
		{"a link to unsubscribe that is not ours", "GET", "/u/nonsense", "", 404, "This link does not work"},
		{"the same, posted", "POST", "/u/nonsense", "List-Unsubscribe=One-Click", 404, "This link does not work"},
		{"invalid field", "POST", "/v1/events", `{"type":"no spaces please","data":1}`, 422, "body.type"},
		{"half a body", "POST", "/v1/events", `{"type":`, 400, "malformed_request"},
		{"another organization's endpoint", "GET", "/v1/webhook-endpoints/" + endpoint, "", 404, "webhook_endpoint_not_found"},
		{"another organization's endpoint, deleted", "DELETE", "/v1/webhook-endpoints/" + endpoint, "", 404, "webhook_endpoint_not_found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, reply, _ := other.Try(tt.method, tt.path, tt.body)
			if status != tt.status || !strings.Contains(reply, tt.part) {
				t.Errorf("%d %s, want %d %s", status, reply, tt.status, tt.part)
			}
		})
	}
	_, first, _ := c.Try("POST", "/v1/events", `{"type":"a","data":{"x":"<"}}`, "Idempotency-Key", "one, two")
	status, again, header := c.Try("POST", "/v1/events", `{"type":"a","data":{"x":"<"}}`, "Idempotency-Key", "one, two")
	if status != 202 || first != again || header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%d %s after %s", status, again, first)
	}
	if status, reply, _ := c.Try("POST", "/v1/events", `{"type":"a","data":2}`, "Idempotency-Key", "one, three"); status != 202 {
		t.Errorf("a key that differs behind its comma: %d %s", status, reply)
	}
}

// Every route of the template exists in the code, at the function that serves
// it, and the reverse.
func TestTemplateRoutesAreTheCodes(t *testing.T) {
	t.Parallel()
	var code, deployed []string
	for _, o := range api.All() {
		op := o.Meta()
		code = append(code, fmt.Sprintf("%s %s → portico-%s", op.Method, op.Path, op.Function))
	}
	for _, method := range []string{"GET", "POST"} {
		code = append(code, method+" "+unsubscribe.Path+" → portico-unsubscribe")
	}
	for _, r := range pages.Routes(slices.Concat((&signin.Site{}).Pages(), (&saml.Site{}).Pages(), (&setup.Site{}).Pages(), (&admin.Site{}).Pages())) {
		code = append(code, "ANY "+r.Path+" → portico-"+r.Function)
	}
	for _, path := range []string{token.Path, token.RevokePath, token.IntrospectPath} {
		code = append(code, "POST "+path+" → portico-oauth")
	}
	for _, path := range []string{token.ServerPath, token.OpenIDPath, token.ResourcePath, token.KeysPath} {
		code = append(code, "GET "+path+" → portico-oauth")
	}
	code = append(code, "ANY "+token.UserInfoPath+" → portico-oauth")
	code = append(code, "ANY "+directory.Path+"{page+} → portico-organization")
	code = append(code, "POST "+resend.Path+" → portico-resend")
	for _, r := range shared.Template.Routes {
		if r.Path != "$default" {
			deployed = append(deployed, fmt.Sprintf("%s %s → %s", r.Method, r.Path, r.Function))
		}
	}
	slices.Sort(code)
	slices.Sort(deployed)
	if !slices.Equal(code, deployed) {
		t.Errorf("code:\n%s\ntemplate:\n%s", strings.Join(code, "\n"), strings.Join(deployed, "\n"))
	}
}
