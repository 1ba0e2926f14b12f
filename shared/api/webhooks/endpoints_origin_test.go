package webhooks_test

import (
	"fmt"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// Settings of the old URL that are never shown are not sent to a new URL of
// another origin: the change must set custom headers and client certificate
// again, or remove them; otherwise it is refused.
func TestSecretsDoNotFollowTheURL(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	chain, key := testkit.NewAuthority(t).Issue(testkit.ECDSA(t), time.Now().Add(time.Hour))
	certificate := fmt.Sprintf(`"client_certificate":{"certificate":%q,"private_key":%q}`, chain, key)
	const headers = `"custom_headers":{"Authorization":"Bearer s3cret"}`
	endpoint := func(options string) string {
		r := acme.Do("POST", "/v1/webhook-endpoints", `{"url":"https://example.com/a","event_types":["*"]`+options+`}`)
		apitest.Want(t, r, "201")
		return "/v1/webhook-endpoints/" + r.Get(t, "id")
	}
	plain, own := endpoint(""), endpoint(","+headers+","+certificate)
	const other = `"url":"https://example.net/a"`
	for _, tt := range []struct{ name, path, body, want string }{
		{"nothing is secret", plain, `{` + other + `}`, `200 example.net`},
		{"another path", own, `{"url":"https://example.com/b?c=d"}`, `200 https://example.com/b?c=d`},
		{"the same host in capitals, with its port", own, `{"url":"https://EXAMPLE.com:443/b"}`, `200 EXAMPLE.com`},
		{"another host", own, `{` + other + `}`, `422 "body.custom_headers" "body.client_certificate" !s3cret`},
		{"a host below it", own, `{"url":"https://evil.example.com/a"}`, `422 body.custom_headers body.client_certificate`},
		{"another port", own, `{"url":"https://example.com:8443/a"}`, `422 body.custom_headers body.client_certificate`},
		{"another scheme", own, `{"url":"http://127.0.0.1:443/a"}`, `422 body.custom_headers body.client_certificate`},
		{"null is as if left out", own, `{` + other + `,"custom_headers":null,"client_certificate":null}`, `422 body.custom_headers body.client_certificate`},
		{"the headers alone", own, `{` + other + `,` + headers + `}`, `422 "body.client_certificate" !"body.custom_headers"`},
		{"the certificate alone", own, `{` + other + `,` + certificate + `}`, `422 "body.custom_headers" !"body.client_certificate"`},
		{"nothing has changed", own, `{"description":"x"}`, `200 "url":"https://EXAMPLE.com:443/b" "Authorization":"***"`},
		{"both", own, `{` + other + `,` + headers + `,` + certificate + `}`, `200 example.net "Authorization":"***"`},
		{"both removed", own, `{"url":"https://example.org/","custom_headers":{},"client_certificate":{}}`, `200 example.org "custom_headers":{} "client_certificate":null`},
		{"nothing is left to send again", own, `{` + other + `}`, `200 example.net`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, acme.Do("PATCH", tt.path, tt.body), tt.want) })
	}
}
