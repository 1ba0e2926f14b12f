package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

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
	slow := `{"$ref":"#/$defs/d0","$defs":{` + defs.String() + `"d40":{"type":"string"}}}`
	apitest.Want(t, acme.Do("POST", "/v1/event-types", `{"name":"slow","validation":"required","schema":`+slow+`}`), "201 ")
	for path, body := range map[string]string{
		"/v1/events":                    `{"type":"slow","data":1}`,
		"/v1/event-types":               `{"name":"x","schema":` + slow + `,"examples":[1]}`,
		"/v1/event-types/slow/versions": `{"schema":` + slow + `,"examples":[1]}`,
		"/v1/event-types/slow/validate": `{"data":1}`,
	} {
		h.Advance(t, 15*time.Minute) // all debts are paid
		h.Limit(limits(t, map[string]int64{"work": 400}))
		n, refused := untilRefused(t, acme, "POST", path, body)
		apitest.Want(t, refused, `429 "violated-policies":["work"]`)
		if n > 40 || n == 0 {
			t.Errorf("%s: %d calls before the limit", path, n)
		}
	}
}
