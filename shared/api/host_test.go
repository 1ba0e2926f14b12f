package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/api"
	"portico/shared/auth"
	"portico/shared/domain"
	"portico/shared/testkit"
)

// A host that is somebody's is nobody else's: there a key works in its own
// organization only, and a staff key in the host's only. A host that is nobody's
// decides nothing, nor does a header that names one.
func TestHostIdentifiesOrganization(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, evil := h.org("Acme"), h.org("Evil")
	own, _ := acme.newEndpoint(`["*"]`)
	verified := acme.make("/v1/domains", `{"name":"portal.example.com"}`)
	acme.prove("/v1/domains/" + verified)
	want(t, acme.do("POST", "/v1/domains/"+verified+"/verify", ""), "200")
	sub := acme.make("/v1/domains", `{"name":"acme.portico.example"}`)
	want(t, acme.do("POST", "/v1/domains/"+sub+"/verify", ""), "200")
	evil.make("/v1/domains", `{"name":"pending.portico.example"}`)
	staff := caller{harness: h, key: h.begin(`{"command":"create_staff_key","name":"Ada"}`).StaffKey}
	nobody := caller{harness: h}

	const custom, ours, missing = "portal.example.com", "acme.portico.example", "org_01890000000000000000000000"
	for _, tt := range []struct {
		name, host string
		as         caller
		header     string
		want       string
	}{
		{"its own key at a custom domain", custom, acme, "", `200 "id":"` + own + `"`},
		{"its own key at a subdomain", ours, acme, "", `200 "id":"` + own + `"`},
		{"its own key at a subdomain in capitals, with a port", "ACME.Portico.Example:8080", acme, "", `200 "id":"` + own + `"`},
		{"its own key and its own id", custom, acme, acme.org.String(), `200 "id":"` + own + `"`},
		{"its own key and another's id", custom, acme, evil.org.String(), `404 organization_not_found`},
		{"another's key", custom, evil, "", `404 organization_not_found !` + own},
		{"another's key at a subdomain", ours, evil, "", `404 organization_not_found !` + own},
		{"another's key and id", custom, evil, evil.org.String(), `404 organization_not_found`},
		{"another's key and the host's id", custom, evil, acme.org.String(), `404 organization_not_found`},
		{"another's key without the permission", custom, evil.with(auth.EventsRead), "", `403 permission_missing`},
		{"staff without a header", custom, staff, "", `200 "id":"` + own + `"`},
		{"staff and the host's id", custom, staff, acme.org.String(), `200 "id":"` + own + `"`},
		{"staff and another's id", custom, staff, evil.org.String(), `404 organization_not_found`},
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
			want(t, tt.as.at(tt.host, "GET", "/v1/webhook-endpoints/"+own, "", headers...), tt.want)
		})
	}
	if a, b := evil.at(custom, "GET", "/v1/events", ""), evil.do("GET", "/v1/events", "", "Portico-Organization", missing); a.body != b.body {
		t.Errorf("another's host\n%s differs from a missing organization\n%s", a.body, b.body)
	}
	forged := evil.at("api.portico.example", "GET", "/v1/organization", "", "X-Forwarded-Host", custom, "Forwarded", "host="+custom)
	want(t, forged, "200 "+evil.org.String())
	want(t, evil.at(custom, "POST", "/v1/webhook-endpoints", `{"url":"https://example.com/","event_types":["*"]}`), `404 organization_not_found`)
}

// After a domain is deleted, or its organization closed, nobody enters by it.
func TestHostOfNobody(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, evil := h.org("Acme"), h.org("Evil")
	sub := acme.make("/v1/domains", `{"name":"acme.portico.example"}`)
	want(t, acme.do("POST", "/v1/domains/"+sub+"/verify", ""), "200")
	want(t, evil.at("acme.portico.example", "GET", "/v1/events", ""), "404 organization_not_found")
	want(t, acme.do("DELETE", "/v1/domains/"+sub, ""), "204")
	want(t, evil.at("acme.portico.example", "GET", "/v1/events", ""), "200")

	last := evil.make("/v1/domains", `{"name":"acme.portico.example"}`)
	want(t, evil.do("POST", "/v1/domains/"+last+"/verify", ""), "200")
	staff := caller{harness: h, key: h.begin(`{"command":"create_staff_key","name":"Ada"}`).StaffKey}
	want(t, staff.at("acme.portico.example", "GET", "/v1/organization", ""), "200 "+evil.org.String())
	mustExec(t, h, `UPDATE organization SET deleted_at = now() WHERE name = 'Evil'`)
	want(t, staff.at("acme.portico.example", "GET", "/v1/organization", ""), "404 organization_not_found")
}

// While DynamoDB is away a host that may be somebody's answers nobody; our own
// hosts need no answer of it.
func TestHostWhileStoreIsAway(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	config := testkit.AWS(server.URL)
	config.RetryMaxAttempts = 1
	edge := *h.edge
	edge.Hosts = domain.NewHosts(dynamodb.NewFromConfig(config), "domains", "portico.example", h.Clock)
	handler, err := edge.Handler(api.All()...)
	if err != nil {
		t.Fatal(err)
	}
	there := *h
	there.handler = handler
	acme.harness = &there
	want(t, acme.at("portal.example.com", "GET", "/v1/events", ""), "503 unavailable")
	for _, host := range []string{"127.0.0.1:8080", "localhost", "portico.example", "api.portico.example", "x.execute-api.eu-central-1.amazonaws.com"} {
		want(t, acme.at(host, "GET", "/v1/events", ""), "200")
	}
}
