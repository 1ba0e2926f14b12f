package api_test

import (
	"fmt"
	"strings"
	"testing"

	"portico/shared/api/apitest"
)

// The time that a schema takes is charged, also if it refuses the event: without that
// this limit would allow 400 calls.
func TestSlowSchemasAreCharged(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	var defs strings.Builder
	for i := range 40 {
		fmt.Fprintf(&defs, `"d%d":{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	apitest.Want(t, acme.Do("POST", "/v1/event-types", `{"name":"slow","validation":"required","schema":{"$ref":"#/$defs/d0","$defs":{`+defs.String()+`"d40":{"type":"string"}}}}`), "201 ")
	apitest.Want(t, acme.Do("POST", "/v1/events", `{"type":"slow","data":1}`), `422 body.data steps`)
	h.Limit(limits(t, map[string]int64{"work": 400}))
	n, refused := untilRefused(t, acme, "POST", "/v1/events", `{"type":"slow","data":1}`)
	apitest.Want(t, refused, `429 "violated-policies":["work"]`)
	if n > 40 {
		t.Errorf("%d calls before the limit", n)
	}
}
