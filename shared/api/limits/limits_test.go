package limits_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/limit"
)

// GET /v1/limits lists every policy with what applies to the key that calls and to its
// organization, and nobody else's.
func TestListLimits(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil, staff := h.Organization("Acme"), h.Organization("Evil"), h.NewStaff()
	user, key := acme.NewKey(`{"name":"user","permissions":["limits:read"]}`)
	named := []string{"Portico-Organization", acme.Org.String()}
	apitest.Want(t, acme.Do("PUT", "/v1/api-keys/"+key+"/limits/requests", `{"limit":7}`), "200")
	apitest.Want(t, staff.Do("PUT", "/v1/api-keys/"+key+"/limits/work", `{"limit":90000000}`, named...), "200")
	apitest.Want(t, staff.Do("PUT", "/v1/organization/limits/organization_work", `{"limit":11}`, named...), "200")
	const (
		requests     = `"name":"requests","scope":"api_key","unit":"requests","algorithm":"token_bucket",`
		work         = `"name":"work","scope":"api_key","unit":"work_units","algorithm":"sliding_window",`
		organization = `"name":"organization_work","scope":"organization","unit":"work_units","algorithm":"sliding_window",`
		address      = `"name":"refused_requests","scope":"address","unit":"requests","algorithm":"fixed_window",`
		plain        = `"staff_limit":null,"own_limit":null,"overridden_by":null`
		ofUser       = requests + `"limit":7,"window_seconds":1,"burst":14,"default_limit":1000000,"staff_limit":null,"own_limit":7,"overridden_by":"organization"`
		ofAll        = organization + `"limit":11,"window_seconds":60,"burst":null,"default_limit":60000000,"staff_limit":11,"own_limit":null,"overridden_by":"staff"`
	)
	for _, tt := range []struct {
		name    string
		as      apitest.Caller
		headers []string
		want    string
	}{
		{"with overrides", user, nil, `200 ` + ofUser + ` ` + ofAll + ` ` + address + `"limit":60000000,"window_seconds":60,"burst":null,"default_limit":60000000,` + plain},
		{"raised by staff", user, nil, `200 ` + work + `"limit":90000000,"window_seconds":60,"burst":null,"default_limit":60000000,"staff_limit":90000000,"own_limit":null,"overridden_by":"staff"`},
		{"another key of the organization", acme, nil, `200 ` + requests + `"limit":1000000,"window_seconds":1,"burst":2000000,"default_limit":1000000,` + plain + ` ` + ofAll},
		{"another organization", evil, nil, `200 ` + organization + `"limit":60000000,"window_seconds":60,"burst":null,"default_limit":60000000,` + plain + ` !"staff" !"own_limit":7`},
		{"staff", staff, named, `200 ` + requests + `"limit":1000000 ` + ofAll + ` !"own_limit":7`},
		{"staff without organization", staff, nil, `422 header.Portico-Organization`},
		{"without permission", acme.With(auth.EventsRead), nil, `403 limits:read`},
		{"without a key", apitest.Caller{Harness: h}, nil, `401 api_key_missing`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("GET", "/v1/limits", "", tt.headers...), tt.want) })
	}
	for _, p := range h.Server.Limits {
		apitest.Want(t, acme.Do("GET", "/v1/limits", ""), `200 "name":"`+p.Name+`","scope":"`+string(p.Scope)+`"`)
	}
	if len(h.Server.Limits) < 6 || len(h.Server.Limits.Of(limit.ByKey)) < 3 {
		t.Errorf("the harness has only the policies %v", h.Server.Limits)
	}
}
