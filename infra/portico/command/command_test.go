package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const endpoint = `{"id":"we_1","url":"https://example.com/","event_types":["a","b.*"],"status":"disabled","health":{"breaker":"closed"},"metadata":{}}`

// Each command calls its operation with the members that its flags say.
func TestRequests(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "data.json")
	if err := os.WriteFile(file, []byte("{ \"total\": 1.10,\n\"html\":\"<b>&\" }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args       []string
		in         string
		line, body string
	}{
		{[]string{"endpoints", "list"}, "", "GET /v1/webhook-endpoints?limit=20", ""},
		{[]string{"endpoints", "get", "we_1"}, "", "GET /v1/webhook-endpoints/we_1", ""},
		{[]string{"endpoints", "get", "../x?y"}, "", "GET /v1/webhook-endpoints/..%2Fx%3Fy", ""},
		{[]string{"endpoints", "create", "--url", "https://example.com/", "--types", "a,b.*", "--header", "X-A=1,2=3", "--ordered", "--rate-limit", "5", "--retry-schedule", "1,2"}, "",
			"POST /v1/webhook-endpoints", `{"url":"https://example.com/","event_types":["a","b.*"],"retry_schedule":[1,2],"rate_limit":5,"ordered":true,"custom_headers":{"X-A":"1,2=3"}}`},
		{[]string{"endpoints", "update", "we_1", "--body", `{"url":"x","client_certificate":{}}`, "--url", "https://y.example/"}, "",
			"PATCH /v1/webhook-endpoints/we_1", `{"client_certificate":{},"url":"https://y.example/"}`},
		{[]string{"endpoints", "delete", "we_1"}, "", "DELETE /v1/webhook-endpoints/we_1", ""},
		{[]string{"endpoints", "rotate-secret", "we_1"}, "", "POST /v1/webhook-endpoints/we_1/rotate-secret", `{}`},
		{[]string{"endpoints", "rotate-secret", "we_1", "--overlap-seconds", "0"}, "", "POST /v1/webhook-endpoints/we_1/rotate-secret", `{"overlap_seconds":0}`},
		{[]string{"endpoints", "enable", "we_1", "--held", "drop"}, "", "PATCH /v1/webhook-endpoints/we_1", `{"held_deliveries":"drop","status":"enabled"}`},
		{[]string{"endpoints", "disable", "we_1"}, "", "PATCH /v1/webhook-endpoints/we_1", `{"status":"disabled"}`},
		{[]string{"events", "list", "--type", "a.*", "--limit", "5", "--after", "x"}, "", "GET /v1/events?after=x&limit=5&type=a.%2A", ""},
		{[]string{"events", "get", "evt_1"}, "", "GET /v1/events/evt_1", ""},
		// The data's bytes are kept, as a delivery has them.
		{[]string{"events", "publish", "--type", "a", "--data", "@" + file, "--ordering-key", "k", "--external-id", "x", "--expires-after", "60"}, "", "POST /v1/events",
			"{\"type\":\"a\",\"data\":{ \"total\": 1.10,\n\"html\":\"<b>&\" },\"ordering_key\":\"k\",\"external_id\":\"x\",\"expires_after\":60}"},
		{[]string{"events", "publish", "--type", "a", "--data", "-"}, " 1 ", "POST /v1/events", `{"type":"a","data":1}`},
		{[]string{"deliveries", "list", "--endpoint", "we_1", "--status", "failed"}, "", "GET /v1/deliveries?endpoint_id=we_1&limit=20&status=failed", ""},
		{[]string{"deliveries", "list", "--answer", "5xx", "--type", "a", "--since", "2026-11-01T00:00:00Z", "--until", "2026-11-02T00:00:00+01:00"}, "",
			"GET /v1/deliveries?answer=5xx&limit=20&since=2026-11-01T00%3A00%3A00Z&type=a&until=2026-11-02T00%3A00%3A00%2B01%3A00", ""},
		{[]string{"events", "list", "--ordering-key", "k", "--external-id", "x"}, "", "GET /v1/events?external_id=x&limit=20&ordering_key=k", ""},
		{[]string{"endpoints", "list", "--failing", "--status", "enabled"}, "", "GET /v1/webhook-endpoints?failing=true&limit=20&status=enabled", ""},
		{[]string{"audit", "list", "--q", "ada lovelace", "--action", "role.*", "--actor", "key_1", "--target", "we_1", "--request", "r", "--outcome", "failure", "--category", "security"}, "",
			"GET /v1/audit-log?action=role.%2A&actor_id=key_1&category=security&limit=20&outcome=failure&q=ada+lovelace&request_id=r&target_id=we_1", ""},
		{[]string{"audit", "get", "aud_1"}, "", "GET /v1/audit-log/aud_1", ""},
		{[]string{"deliveries", "get", "dlv_1"}, "", "GET /v1/deliveries/dlv_1", ""},
		{[]string{"deliveries", "redeliver", "dlv_1"}, "", "POST /v1/deliveries/dlv_1/redeliver", ""},
		{[]string{"endpoints", "recover", "we_1", "--since", "2026-11-01T00:00:00Z", "--statuses", "failed,delivered"}, "", "POST /v1/webhook-endpoints/we_1/recover",
			`{"since":"2026-11-01T00:00:00Z","statuses":["failed","delivered"]}`},
		{[]string{"endpoints", "statistics", "we_1", "--hours", "2"}, "", "GET /v1/webhook-endpoints/we_1/statistics?hours=2", ""},
		{[]string{"endpoints", "test", "we_1", "--type", "a", "--data", "1"}, "", "POST /v1/webhook-endpoints/we_1/test", `{"event_type":"a","data":1}`},
		{[]string{"endpoints", "replay", "we_1", "--since", "2026-11-01T00:00:00Z", "--until", "2026-11-02T00:00:00Z", "--types", "a.*"}, "", "POST /v1/webhook-endpoints/we_1/replay",
			`{"since":"2026-11-01T00:00:00Z","until":"2026-11-02T00:00:00Z","event_types":["a.*"]}`},
		{[]string{"recoveries", "list", "we_1"}, "", "GET /v1/webhook-endpoints/we_1/recoveries?limit=20", ""},
		{[]string{"recoveries", "get", "rec_1"}, "", "GET /v1/recoveries/rec_1", ""},
		{[]string{"recoveries", "cancel", "rec_1"}, "", "POST /v1/recoveries/rec_1/cancel", ""},
		{[]string{"event-types", "list", "--group", "billing", "--archived", "false"}, "", "GET /v1/event-types?archived=false&group=billing&limit=20", ""},
		{[]string{"event-types", "create", "a", "--group", "billing", "--schema", "-", "--examples", `[1, 2]`}, `{"type": "number"}`, "POST /v1/event-types",
			`{"group":"billing","schema":{"type": "number"},"examples":[1, 2],"name":"a"}`},
		{[]string{"event-types", "update", "a", "--archived"}, "", "PATCH /v1/event-types/a", `{"archived":true}`},
		{[]string{"event-types", "add-version", "a", "--schema", "{}"}, "", "POST /v1/event-types/a/versions", `{"schema":{}}`},
		{[]string{"consumers", "get", "ec_1"}, "", "GET /v1/event-consumers/ec_1", ""},
		{[]string{"consumers", "update", "ec_1", "--filter", "", "--types", "a"}, "", "PATCH /v1/event-consumers/ec_1", `{"event_types":["a"],"filter":""}`},
		{[]string{"consumers", "rotate-secret", "ec_1", "--overlap-seconds", "0"}, "", "POST /v1/event-consumers/ec_1/rotate-secret", `{"overlap_seconds":0}`},
		{[]string{"consumers", "dead-letters", "ec_1"}, "", "GET /v1/event-consumers/ec_1/dead-letters?limit=20", ""},
		{[]string{"consumers", "resend", "ec_1", "--events", "evt_1,evt_2"}, "", "POST /v1/event-consumers/ec_1/resend-dead-letters", `{"event_ids":["evt_1","evt_2"]}`},
		{[]string{"consumers", "delete", "ec_1"}, "", "DELETE /v1/event-consumers/ec_1", ""},
		{[]string{"event-types", "import", "-", "--dry-run", "--component", "Invoice=invoice.paid"}, `{"openapi": "3.1.0"}`, "POST /v1/event-types/import",
			`{"components":{"Invoice":"invoice.paid"},"dry_run":true,"document":{"openapi": "3.1.0"}}`},
		{[]string{"event-types", "openapi", "--group", "billing"}, "", "GET /v1/event-types/openapi.json?group=billing", ""},
		{[]string{"event-types", "delete", "a"}, "", "DELETE /v1/event-types/a", ""},
		{[]string{"consumers", "create", "--name", "n", "--types", "*"}, "", "POST /v1/event-consumers", `{"name":"n","event_types":["*"]}`},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			reply := "200 " + endpoint
			if strings.HasPrefix(c.line, "GET") && strings.Contains(c.line, "limit=") {
				reply = `200 {"data":[],"next":null}`
			}
			a := newAPI(t, map[string]string{c.line: reply})
			r := a.run(t, c.in, c.args...)
			if r.code != 0 || len(a.seen) != 1 {
				t.Fatalf("exit code %d, %s after %v", r.code, r.err, a.seen)
			}
			if got := a.seen[0]; got.body != c.body || (got.key == "") != strings.HasPrefix(c.line, "GET") {
				t.Errorf("%+v, want the body %s", got, c.body)
			}
		})
	}
}

// The Idempotency-Key can be chosen.
func TestChosenIdempotencyKey(t *testing.T) {
	t.Parallel()
	a := newAPI(t, map[string]string{"POST /v1/events": `202 {"id":"evt_1"}`})
	r := a.run(t, "", "events", "publish", "--type", "a", "--data", "1", "--idempotency-key", "in_1-paid")
	if r.code != 0 || a.seen[0].key != "in_1-paid" {
		t.Errorf("%+v with %+v", r, a.seen)
	}
}

// With --json the output is the API's, byte for byte, or all pages as one document.
func TestJSON(t *testing.T) {
	t.Parallel()
	a := newAPI(t, map[string]string{
		"GET /v1/events/evt_1":              `200 {"id":"evt_1","data":{"big":123456789012345678901234567890,"html":"<b>"}}`,
		"GET /v1/events?limit=20":           `200 {"data":[{"id":"1"}],"next":"n1"}`,
		"GET /v1/events?limit=100":          `200 {"data":[{"id":"1","x":1.10}],"next":"n1"}`,
		"GET /v1/events?after=n1&limit=100": `200 {"data":[{"id":"2"},{"id":"3"}],"next":null}`,
		"DELETE /v1/webhook-endpoints/we_1": "204 ",
	})
	for _, c := range []struct{ args, want string }{
		{"events get evt_1", `{"id":"evt_1","data":{"big":123456789012345678901234567890,"html":"<b>"}}` + "\n"},
		{"events list", `{"data":[{"id":"1"}],"next":"n1"}` + "\n"},
		{"events list --all", `{"data":[{"id":"1","x":1.10},{"id":"2"},{"id":"3"}],"next":null}` + "\n"},
		{"endpoints delete we_1", ""},
	} {
		r := a.run(t, "", append(strings.Fields(c.args), "--json")...)
		if r.code != 0 || r.out != c.want || r.err != "" {
			t.Errorf("%s: %+v, want %s", c.args, r, c.want)
		}
	}
	for _, local := range []string{"version", "config"} {
		r := a.run(t, "", local, "--json")
		var document map[string]any
		if err := json.Unmarshal([]byte(r.out), &document); err != nil || r.code != 0 {
			t.Errorf("%s: %+v: %v", local, r, err)
		}
	}
}

// Without --json the output is a table or a record, without colours in a pipe.
func TestReadable(t *testing.T) {
	t.Parallel()
	a := newAPI(t, map[string]string{
		"GET /v1/webhook-endpoints?limit=20": `200 {"data":[` + endpoint + `],"next":"n1"}`,
		"GET /v1/webhook-endpoints/we_1":     "200 " + endpoint,
		"GET /v1/events?limit=20":            `200 {"data":[],"next":null}`,
		"GET /v1/events/evt_1":               `200 {"id":"evt_1","data":{"a": {"b":1}}}`,
		"GET /v1/deliveries/dlv_1": `200 {"id":"dlv_1","last_error":"\u001b[2Jhi","attempts":[{"number":1,"error":null,"exchange":null},` +
			`{"number":2,"error":"x","exchange":{"dns_ms":3.1,"request_headers":[{"name":"A","value":"b"}]}}]}`,
		"DELETE /v1/webhook-endpoints/we_1": "204 ",
	})
	for _, c := range []struct{ args, out, err string }{
		{"endpoints list", "ID    STATUS    BREAKER  EVENT TYPES  URL\nwe_1  disabled  closed   a, b.*       https://example.com/\n", "There are more: add --all, or --after n1\n"},
		{"endpoints get we_1", "id              we_1\nurl             https://example.com/\nevent_types     a, b.*\nstatus          disabled\nhealth.breaker  closed\nmetadata        -\n", ""},
		{"events get evt_1", "id    evt_1\ndata  {\"a\":{\"b\":1}}\n", ""},
		{"events list", "", "There are no events.\n"},
		{"deliveries get dlv_1", "id          dlv_1\nlast_error  \uFFFD[2Jhi\n\nattempts\nNUMBER  ERROR\n1       -\n2       x\n", ""},
		{"deliveries get dlv_1 --attempt 2", "number           2\nerror            x\nexchange.dns_ms  3.1\n\nexchange.request_headers\nNAME  VALUE\nA     b\n", ""},
		{"endpoints delete we_1", "Deleted we_1.\n", ""},
	} {
		r := a.run(t, "", strings.Fields(c.args)...)
		if r.code != 0 || r.out != c.out || r.err != c.err {
			t.Errorf("%s: %+v, want\n%s%s", c.args, r, c.out, c.err)
		}
	}
}

// An error is a sentence on the standard error, and the exit code says of which kind.
func TestErrors(t *testing.T) {
	t.Parallel()
	a := newAPI(t, map[string]string{
		"GET /v1/events/evt_1": `401 {"status":401,"code":"api_key_invalid","detail":"The key does not work.","request_id":"req-1"}`,
		"GET /v1/events/evt_2": `503 {"status":503,"code":"unavailable","detail":"A store does not answer.","request_id":"req-2"}`,
	})
	for _, c := range []struct {
		args  []string
		code  int
		parts string // separated by |
	}{
		{[]string{"events", "get", "evt_1"}, 1, "portico: The key does not work.|code api_key_invalid|request id req-1"},
		{[]string{"events", "get", "evt_2"}, 3, "A store does not answer.|request id req-2|trying again in"},
		{[]string{"events", "get", "evt_1", "--api", "http://127.0.0.1:1"}, 3, "http://127.0.0.1:1 cannot be reached"},
		{[]string{"events", "get"}, 2, "give the event's id|portico events get --help"},
		{[]string{"events", "get", "a", "b"}, 2, `"b" is one argument too many`},
		{[]string{"event"}, 2, "there is no command event|did you mean"},
		{[]string{"events", "lst"}, 2, "did you mean list?"},
		{[]string{"events", "list", "--lmit", "3"}, 2, "unknown flag: --lmit|portico events list --help"},
		{[]string{"events", "publish", "--type", "a"}, 2, "give --type and --data"},
		{[]string{"events", "publish", "--type", "a", "--data", "{"}, 2, "--data is not JSON: unexpected end"},
		{[]string{"events", "publish", "--type", "a", "--data", "@/nowhere/x"}, 1, "--data: open /nowhere/x"},
		{[]string{"events", "publish", "--body", "[]"}, 2, "--body is not a JSON object"},
		{[]string{"endpoints", "update", "we_1"}, 2, "nothing to change"},
		{[]string{"event-types", "import", "/nowhere/x"}, 1, "/nowhere/x: no such file"},
		{[]string{"consumers", "get", "warehouse"}, 1, "There is no"},
		{[]string{"endpoints", "recover", "we_1"}, 2, "give --since"},
		{[]string{"endpoints", "recover", "we_1", "--since", "yesterday"}, 2, "give a time such as"},
		{[]string{"endpoints", "create", "--header", "X"}, 2, "write NAME=VALUE"},
		{[]string{"config", "--config", "/nowhere/x"}, 2, "cannot be read"},
		{[]string{"listen"}, 2, "give --forward"},
		{[]string{"listen", "--forward", "127.0.0.1:3000"}, 2, "give a URL such as"},
		{[]string{"listen", "--forward", "http://127.0.0.1:3000", "--secret", "whsec_%"}, 2, "--secret must be"},
	} {
		r := a.run(t, "", c.args...)
		if r.code != c.code || r.out != "" {
			t.Errorf("%q: %+v, want the exit code %d", c.args, r, c.code)
		}
		for part := range strings.SplitSeq(c.parts, "|") {
			if !strings.Contains(r.err, part) {
				t.Errorf("%q: %s has no %q", c.args, r.err, part)
			}
		}
	}
	if r := run(t, "", nil, "events", "list"); r.code != 2 || !strings.Contains(r.err, "PORTICO_KEY") {
		t.Errorf("without a key: %+v", r)
	}
}

// config shows where settings come from, and never the whole key.
func TestConfig(t *testing.T) {
	t.Parallel()
	const key = "ptc_0123456789012345678901234567WXYZ"
	file := filepath.Join(t.TempDir(), "config.json")
	if r := run(t, "", nil, "config", "save", "--config", file, "--key", key); r.code != 0 || !strings.Contains(r.out, file) {
		t.Fatalf("%+v", r)
	}
	r := run(t, "", map[string]string{"PORTICO_URL": "https://api.example.com"}, "config", "--config", file)
	for _, part := range []string{"https://api.example.com  environment PORTICO_URL", "ptc_…WXYZ", "file " + file} {
		if !strings.Contains(r.out, part) {
			t.Errorf("%s has no %q", r.out, part)
		}
	}
	if strings.Contains(r.out+r.err, "0123456789") {
		t.Errorf("the key is shown: %s", r.out)
	}
}

// A time may be said as how long ago it was, and --wait waits for the end.
func TestRecoverAndWait(t *testing.T) {
	t.Parallel()
	const start, get = "POST /v1/webhook-endpoints/we_1/recover", "GET /v1/recoveries/rec_1"
	a := newAPI(t, map[string]string{start: `201 {"id":"rec_1","status":"running"}`, get: `200 {"id":"rec_1","status":"succeeded"}`})
	r := a.run(t, "", "endpoints", "recover", "we_1", "--since", "2h", "--wait", "--json")
	if r.code != 0 || r.out != `{"id":"rec_1","status":"succeeded"}`+"\n" {
		t.Errorf("%+v", r)
	}
	var sent struct{ Since time.Time }
	if err := json.Unmarshal([]byte(a.seen[0].body), &sent); err != nil || time.Since(sent.Since).Round(time.Minute) != 2*time.Hour {
		t.Errorf("%s: %v", a.seen[0].body, err)
	}
	a.answers[get] = `200 {"id":"rec_1","status":"cancelled"}`
	if r := a.run(t, "", "endpoints", "recover", "we_1", "--since", "2h", "--wait"); r.code != 1 || !strings.Contains(r.err, "the recovery is cancelled") {
		t.Errorf("%+v", r)
	}
}

// validate tells by its exit code whether data match.
func TestValidate(t *testing.T) {
	t.Parallel()
	for answer, code := range map[string]int{`{"valid":true,"errors":[]}`: 0, `{"valid":false,"errors":[{"location":"data.id","message":"is required"}]}`: 1} {
		a := newAPI(t, map[string]string{"POST /v1/event-types/a/validate": "200 " + answer})
		r := a.run(t, "", "event-types", "validate", "a", "--data", "1", "--version", "2", "--json")
		if r.code != code || r.out != answer+"\n" || a.seen[0].body != `{"data":1,"version":2}` {
			t.Errorf("%+v after %+v", r, a.seen)
		}
	}
}

// A consumer can be called by its name.
func TestConsumerByName(t *testing.T) {
	t.Parallel()
	a := newAPI(t, map[string]string{
		"GET /v1/event-consumers?limit=100":          `200 {"data":[{"id":"ec_1","name":"ada"}],"next":"n1"}`,
		"GET /v1/event-consumers?after=n1&limit=100": `200 {"data":[{"id":"ec_2","name":"warehouse"}],"next":null}`,
		"DELETE /v1/event-consumers/ec_2":            "204 ",
	})
	if r := a.run(t, "", "consumers", "delete", "warehouse"); r.code != 0 || r.out != "Deleted warehouse.\n" {
		t.Errorf("%+v", r)
	}
	if r := a.run(t, "", "consumers", "get", "nobody"); r.code != 1 || !strings.Contains(r.err, "no event consumer with the name nobody") {
		t.Errorf("%+v", r)
	}
}

// test can wait for the first try, and its exit code tells what became of it.
func TestTestAndWait(t *testing.T) {
	t.Parallel()
	for delivery, code := range map[string]int{
		`{"status":"delivered","attempt_count":1}`:                      0,
		`{"status":"pending","attempt_count":1,"last_error":"timeout"}`: 1,
	} {
		a := newAPI(t, map[string]string{
			"POST /v1/webhook-endpoints/we_1/test": `202 {"event_id":"evt_1","delivery_id":"dlv_1"}`, "GET /v1/deliveries/dlv_1": "200 " + delivery,
		})
		r := a.run(t, "", "endpoints", "test", "we_1", "--wait", "--json")
		if r.code != code || r.out != delivery+"\n" || (code == 1) != strings.Contains(r.err, "timeout") {
			t.Errorf("%+v", r)
		}
	}
}
