package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/hostname"
	"portico/shared/testkit"
)

// At an organization's own host, a key works only if it belongs to that
// organization, and a staff key works only on it. A host that belongs to nobody
// decides nothing. A header that names a host decides nothing either.
func TestHostIdentifiesOrganization(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	own, _ := acme.NewEndpoint(`["*"]`)
	verified := acme.Make("/v1/domains", `{"name":"portal.example.com"}`)
	acme.Prove("/v1/domains/" + verified)
	apitest.Want(t, acme.Do("POST", "/v1/domains/"+verified+"/verify", ""), "200")
	sub := acme.Make("/v1/domains", `{"name":"acme.portico.example"}`)
	apitest.Want(t, acme.Do("POST", "/v1/domains/"+sub+"/verify", ""), "200")
	evil.Make("/v1/domains", `{"name":"pending.portico.example"}`)
	staff := apitest.Caller{Harness: h, Key: h.Bootstrap(`{"command":"create_staff_key","name":"Ada"}`).StaffKey}
	nobody := apitest.Caller{Harness: h}

	const custom, ours, missing = "portal.example.com", "acme.portico.example", "org_01890000000000000000000000"
	for _, tt := range []struct {
		name, host string
		as         apitest.Caller
		header     string
		want       string
	}{
		{"its own key at a custom domain", custom, acme, "", `200 "id":"` + own + `"`},
		{"its own key at a subdomain", ours, acme, "", `200 "id":"` + own + `"`},
		{"its own key at a subdomain in capitals, with a port", "ACME.Portico.Example:8080", acme, "", `200 "id":"` + own + `"`},
		{"its own key and its own id", custom, acme, acme.Org.String(), `200 "id":"` + own + `"`},
		{"its own key and another's id", custom, acme, evil.Org.String(), `404 organization_not_found`},
		{"another's key", custom, evil, "", `404 organization_not_found !` + own},
		{"another's key at a subdomain", ours, evil, "", `404 organization_not_found !` + own},
		{"another's key and id", custom, evil, evil.Org.String(), `404 organization_not_found`},
		{"another's key and the host's id", custom, evil, acme.Org.String(), `404 organization_not_found`},
		{"another's key without the permission", custom, evil.With(auth.EventsRead), "", `403 permission_missing`},
		{"staff without a header", custom, staff, "", `200 "id":"` + own + `"`},
		{"staff and the host's id", custom, staff, acme.Org.String(), `200 "id":"` + own + `"`},
		{"staff and another's id", custom, staff, evil.Org.String(), `404 organization_not_found`},
		{"staff and a missing id", custom, staff, missing, `404 organization_not_found`},
		{"staff at a host that is nobody's", "unknown.example.com", staff, "", `422 header.Portico-Organization`},
		{"staff at a pending one", "pending.portico.example", staff, "", `422 header.Portico-Organization`},
		{"a key at a host that is nobody's", "unknown.example.com", acme, "", `200 "id":"` + own + `"`},
		{"a key at our own", "api.portico.example", acme, "", `200 "id":"` + own + `"`},
		{"without a key", custom, nobody, "", `401 api_key_missing !org_`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var headers []string
			if tt.header != "" {
				headers = []string{"Portico-Organization", tt.header}
			}
			apitest.Want(t, tt.as.At(tt.host, "GET", "/v1/webhook-endpoints/"+own, "", headers...), tt.want)
		})
	}
	if a, b := evil.At(custom, "GET", "/v1/events", ""), evil.Do("GET", "/v1/events", "", "Portico-Organization", missing); a.Body != b.Body {
		t.Errorf("another's host\n%s differs from a missing organization\n%s", a.Body, b.Body)
	}
	forged := evil.At("api.portico.example", "GET", "/v1/organization", "", "X-Forwarded-Host", custom, "Forwarded", "host="+custom)
	apitest.Want(t, forged, "200 "+evil.Org.String())
	apitest.Want(t, evil.At(custom, "POST", "/v1/webhook-endpoints", `{"url":"https://example.com/","event_types":["*"]}`), `404 organization_not_found`)
}

// After a domain is deleted, its host belongs to nobody. After its organization
// is closed, nobody can enter it there.
func TestHostOfNobody(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	sub := acme.Make("/v1/domains", `{"name":"acme.portico.example"}`)
	apitest.Want(t, acme.Do("POST", "/v1/domains/"+sub+"/verify", ""), "200")
	apitest.Want(t, evil.At("acme.portico.example", "GET", "/v1/events", ""), "404 organization_not_found")
	apitest.Want(t, acme.Do("DELETE", "/v1/domains/"+sub, ""), "204")
	apitest.Want(t, evil.At("acme.portico.example", "GET", "/v1/events", ""), "200")

	last := evil.Make("/v1/domains", `{"name":"acme.portico.example"}`)
	apitest.Want(t, evil.Do("POST", "/v1/domains/"+last+"/verify", ""), "200")
	staff := apitest.Caller{Harness: h, Key: h.Bootstrap(`{"command":"create_staff_key","name":"Ada"}`).StaffKey}
	apitest.Want(t, staff.At("acme.portico.example", "GET", "/v1/organization", ""), "200 "+evil.Org.String())
	h.Exec(`UPDATE organization SET deleted_at = now() WHERE name = 'Evil'`)
	apitest.Want(t, staff.At("acme.portico.example", "GET", "/v1/organization", ""), "404 organization_not_found")
}

// While DynamoDB does not answer, no request works at a host that may belong to
// an organization. Our own hosts do not need it.
func TestHostWhileStoreIsAway(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	config := testkit.AWS(away.URL)
	config.RetryMaxAttempts = 1
	server := *h.Server
	server.Hosts = hostname.NewHosts(dynamodb.NewFromConfig(config), "domains", "portico.example", h.Clock)
	handler, err := server.Handler(api.All()...)
	if err != nil {
		t.Fatal(err)
	}
	there := *h
	there.Handler = handler
	acme.Harness = &there
	apitest.Want(t, acme.At("portal.example.com", "GET", "/v1/events", ""), "503 unavailable")
	for _, host := range []string{"127.0.0.1:8080", "localhost", "portico.example", "api.portico.example", "x.execute-api.eu-central-1.amazonaws.com"} {
		apitest.Want(t, acme.At(host, "GET", "/v1/events", ""), "200")
	}
}
