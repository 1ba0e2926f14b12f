package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Log lines are readable, and a request cannot send control characters to the
// terminal.
func TestLines(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	begin := fmt.Sprintf(`{"timestamp":%q,"level":"INFO",`, at.Format(time.RFC3339Nano))
	const metrics = `,"stage":"local","_aws":{}}`
	for _, tt := range []struct{ name, line, want string }{
		{"request", `[portico-publish] ` + begin + `"message":"request","method":"POST","path":"/v1/events","status":202,"operation":"publishEvent","request_id":"r1","RequestLatency":7.2` + metrics,
			"POST /v1/events 202 8 ms"},
		{"refused", `[portico-publish] ` + begin + `"message":"request","method":"POST","path":"/v1/events","status":422,"cause":"body.type: no","request_id":"r1","RequestLatency":0.1` + metrics,
			"POST /v1/events 422 1 ms  body.type: no  request r1"},
		{"a hostile path", `[portico-system] ` + begin + `"message":"request","method":"GET","path":"/\u001b[2J\n","status":200,"RequestLatency":1` + metrics,
			"GET /\uFFFD[2J\uFFFD 200 1 ms"},
		{"deliveries", `[portico-dispatcher] ` + begin + `"message":"deliveries recorded","Delivered":3,"Failed":2,"Exhausted":1,"AttemptLatency":[1.5,20,3]` + metrics,
			"deliveries: 3 delivered, 2 failed, 1 of them permanently 20 ms"},
		{"no deliveries", `[portico-dispatcher] ` + begin + `"message":"deliveries recorded","Delivered":0,"Failed":0,"LeaseLost":1` + metrics, "deliveries: none"},
		{"another line", `[portico-sweeper] ` + begin + `"message":"swept","Woken":0,"Late":2,"note":"x"` + metrics, "sweeper: swept Late=2 note=x"},
		{"a warning", `[portico-publish] ` + strings.Replace(begin, "INFO", "WARN", 1) + `"message":"hm","cause":"y"}`, "WARN publish: hm cause=y"},
	} {
		var out bytes.Buffer
		fmt.Fprint(lines{&out, printer{}.paint}, tt.line+"\n")
		if want := at.Local().Format(time.TimeOnly) + " " + tt.want + "\n"; out.String() != want {
			t.Errorf("%s: got %q, want %q", tt.name, &out, want)
		}
	}
	var out bytes.Buffer
	fmt.Fprint(lines{&out, printer{}.paint}, "[portico-x] plain \x1b]0;text\n[local] two\n[portico-x] 7\n")
	if want := "x: plain \uFFFD]0;text\nlocal: two\nx: 7\n"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
}

// If colours are on, they show how a request ended.
func TestColour(t *testing.T) {
	for status, code := range map[int]string{202: green, 404: yellow, 503: red} {
		var out bytes.Buffer
		line := fmt.Sprintf(`[portico-x] {"message":"request","method":"GET","path":"/","status":%d,"RequestLatency":1}`+"\n", status)
		fmt.Fprint(lines{&out, printer{colour: true}.paint}, line)
		if want := fmt.Sprintf("\x1b[%sm%d\x1b[0m", code, status); !strings.Contains(out.String(), want) {
			t.Errorf("%d: %q", status, &out)
		}
	}
	if colourful(&bytes.Buffer{}) {
		t.Error("a buffer is no terminal")
	}
}

func TestJSONLines(t *testing.T) {
	var out bytes.Buffer
	fmt.Fprint(jsonLines{&out}, "[portico-x] {\"message\":\"a\"}\n[local] plain \"text\" ] \n[portico-x] {broken\n[portico-x] {}\n")
	want := `{"function":"portico-x","message":"a"}
{"function":"local","message":"plain \"text\" ] "}
{"function":"portico-x","message":"{broken"}
{"function":"portico-x","message":"{}"}
`
	if out.String() != want {
		t.Errorf("got %s, want %s", &out, want)
	}
}
