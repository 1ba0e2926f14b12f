package organizations_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

const nobodysDomain = "dom_01890000000000000000000000"

// Every operation works on the caller's own domains, and on no other
// organization's. If a name is wrong, its field says why.
func TestDomains(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	own := acme.Make("/v1/domains", `{"name":"portal.example.com"}`)
	foreign := evil.Make("/v1/domains", `{"name":"portal.example.com"}`)
	reader := acme.With(auth.DomainsRead)
	record := `"record":{"type":"TXT","name":"_portico.portal.example.com","value":"portico-verification=`

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"get own", "GET", "/" + own, "", reader, `200 "id":"` + own + `" "name":"portal.example.com" "status":"pending" "verified_at":null ` + record},
		{"get missing", "GET", "/" + nobodysDomain, "", acme, `404 domain_not_found`},
		{"get another organization's", "GET", "/" + foreign, "", acme, `404 domain_not_found`},
		{"get with a malformed id", "GET", "/dom_1", "", acme, `422 path.id`},
		{"get without permission", "GET", "/" + own, "", acme.With(auth.EventsRead), `403 domains:read`},
		{"list own", "GET", "", "", reader, `200 ` + own + ` !` + foreign},
		{"list with a forged cursor", "GET", "?after=AAAA", "", acme, `422 query.after`},
		{"add a name in another script", "POST", "", `{"name":"Bücher.example.com"}`, acme, `201 "name":"xn--bcher-kva.example.com"`},
		{"add a subdomain", "POST", "", `{"name":"acme.portico.example"}`, acme, `201 "status":"pending" !record`},
		{"add it again", "POST", "", `{"name":"ACME.portico.example"}`, acme, `409 domain_exists`},
		{"add a reserved subdomain", "POST", "", `{"name":"www.portico.example"}`, acme, `422 body.name reserved`},
		{"add an address", "POST", "", `{"name":"192.0.2.1"}`, acme, `422 body.name`},
		{"add a public suffix", "POST", "", `{"name":"co.uk"}`, acme, `422 body.name`},
		{"add nothing", "POST", "", `{"name":""}`, acme, `422 body.name`},
		{"add without permission", "POST", "", `{"name":"a.example.com"}`, reader, `403 domains:write`},
		{"verify without a record", "POST", "/" + own + "/verify", "", acme, `409 domain_unproven`},
		{"verify missing", "POST", "/" + nobodysDomain + "/verify", "", acme, `404 domain_not_found`},
		{"verify another organization's", "POST", "/" + foreign + "/verify", "", acme, `404 domain_not_found`},
		{"verify without permission", "POST", "/" + own + "/verify", "", reader, `403 domains:write`},
		{"delete missing", "DELETE", "/" + nobodysDomain, "", acme, `404 domain_not_found`},
		{"delete another organization's", "DELETE", "/" + foreign, "", acme, `404 domain_not_found`},
		{"delete without permission", "DELETE", "/" + own, "", reader, `403 domains:write`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/domains"+tt.path, tt.body), tt.want)
		})
	}
	h.Names.Fail(dnsmessage.RCodeSuccess, true)
	apitest.Want(t, acme.Do("POST", "/v1/domains/"+own+"/verify", ""), "503 dns_unavailable")
	h.Names.Fail(dnsmessage.RCodeSuccess, false)
	apitest.Want(t, acme.Do("GET", "/v1/domains/"+own, ""), `200 "status":"pending"`)
}

// The whole life of a domain: the organization that proves the name first has it
// until it deletes it, and every step is in the audit log.
func TestDomainLife(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	ours := "/v1/domains/" + acme.Make("/v1/domains", `{"name":"portal.example.com"}`)
	theirs := "/v1/domains/" + evil.Make("/v1/domains", `{"name":"portal.example.com"}`)
	acme.Prove(ours)
	first := acme.Do("POST", ours+"/verify", "", "Idempotency-Key", "k")
	apitest.Want(t, first, `200 "status":"verified" !"verified_at":null`)
	again := acme.Do("POST", ours+"/verify", "", "Idempotency-Key", "k")
	if again.Body != first.Body || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("repeated: %d %s", again.Status, again.Body)
	}
	evil.Prove(theirs)
	apitest.Want(t, evil.Do("POST", theirs+"/verify", ""), `409 domain_taken !`+acme.Org.String())
	apitest.Want(t, acme.Do("DELETE", ours, ""), `204`)
	apitest.Want(t, acme.Do("GET", ours, ""), `404 domain_not_found`)
	apitest.Want(t, evil.Do("POST", theirs+"/verify", ""), `200 "status":"verified"`)

	sub := "/v1/domains/" + evil.Make("/v1/domains", `{"name":"shop.portico.example"}`)
	apitest.Want(t, evil.Do("POST", sub+"/verify", ""), `200 "status":"verified"`)
	apitest.Want(t, acme.Do("POST", "/v1/domains", `{"name":"shop.portico.example"}`), `409 domain_taken`)

	for _, action := range []string{"domain.create", "domain.verify", "domain.delete"} {
		if r := acme.Do("GET", "/v1/audit-log?action="+action, ""); !strings.Contains(r.Body, `"portal.example.com"`) && action != "domain.verify" ||
			!strings.Contains(r.Body, `"action":"`+action+`"`) || strings.Contains(r.Body, "portico-verification") {
			t.Errorf("%s: %s", action, r.Body)
		}
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM audit_entry WHERE org_id = $1 AND action LIKE 'domain.%' AND outcome = 'success'`, acme.Org); n != 3 {
		t.Errorf("%d audit entries, want 3: a replay writes none", n)
	}
}

// A list begins with the newest, and its pages show every domain once.
func TestDomainPages(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	for i := range 5 {
		acme.Make("/v1/domains", fmt.Sprintf(`{"name":"x%d.example.com"}`, i))
	}
	var names []string
	for after := ""; ; {
		r := acme.Do("GET", "/v1/domains?limit=2"+after, "")
		for _, part := range strings.Split(r.Body, `"name":"x`)[1:] {
			names = append(names, part[:1])
		}
		next := r.Get(t, "next")
		if next == "null" {
			break
		}
		after = "&after=" + next
	}
	if got := strings.Join(names, ""); got != "43210" {
		t.Errorf("listed %s", got)
	}
}
