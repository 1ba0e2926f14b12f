package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/testkit"
)

// soakLog is an organization, and what its audit log must have.
type soakLog struct {
	customer
	a        *auditSoak
	org      id.Org
	database string
	reader   customer // a key that may only read events
	before   int64    // up to this number entries are older than the stream

	mu      sync.Mutex
	keys    int             // Idempotency-Keys
	changes map[string]bool // that were answered: action and target
	reads   []string        // requests
	refused int             // attempts that were answered
	tried   int             // the same, with those that were not
}

// newLog makes an organization that records its reads and has a stream.
func (a *auditSoak) newLog(n int) *soakLog {
	c := newCustomer(a.t, a.Stack)
	l := &soakLog{customer: c, a: a, database: "home", changes: map[string]bool{}, keys: n * 1_000_000}
	var own struct {
		ID      string
		Version int
	}
	c.Do("GET", "/v1/organization", "", http.StatusOK, &own)
	var err error
	l.org, err = id.Parse[id.Org](own.ID)
	testkit.Must(a.t, err)
	l.expect("organization.create", own.ID)
	a.secrets.add("the first API key", c.Key)
	stream := l.change("audit_stream.create", "POST", "/v1/audit-streams", `{"name":"SIEM","type":"https","https":{"url":"`+a.siem.URL+"/"+own.ID+`"}}`)
	a.secrets.add("the secret of a stream", jsonField(a.t, stream, "secret"))
	testkit.Must(a.t, json.Unmarshal([]byte(stream), &struct{ Reached *int64 }{&l.before}))
	l.change("organization.update", "PATCH", "/v1/organization", fmt.Sprintf(`{"version":%d,"settings":{"record_reads":true}}`, own.Version))
	l.reader = c
	l.reader.Key = jsonField(a.t, l.change("api_key.create", "POST", "/v1/api-keys", `{"name":"reader","permissions":["events:read"]}`), "key")
	l.plantSecrets()
	return l
}

func (l *soakLog) expect(action, target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changes[action+" "+target] {
		l.t.Errorf("%s of %s was answered twice", action, target)
	}
	l.changes[action+" "+target] = true
}

// work changes, reads and tries things, one for each turn. What it has begun it completes.
func (l *soakLog) work(random *rand.Rand) {
	for range l.a.turns {
		switch random.IntN(5) {
		case 0:
			role := jsonField(l.t, l.change("role.create", "POST", "/v1/roles", `{"name":"`+l.newKey()+`","permissions":["events:read"]}`), "id")
			l.change("role.update", "PATCH", "/v1/roles/"+role, `{"description":"<b>\u0007\u202eno\r\nbody"}`)
			l.change("role.delete", "DELETE", "/v1/roles/"+role, "")
		case 1:
			key := jsonField(l.t, l.change("api_key.create", "POST", "/v1/api-keys", `{"name":"`+l.newKey()+`","permissions":["events:read"]}`), "id")
			l.change("api_key.revoke", "POST", "/v1/api-keys/"+key+"/revoke", "")
		case 2:
			endpoint := jsonField(l.t, l.change("webhook_endpoint.create", "POST", "/v1/webhook-endpoints", `{"url":"https://example.com/","event_types":["x"]}`), "id")
			l.change("webhook_endpoint.delete", "DELETE", "/v1/webhook-endpoints/"+endpoint, "")
		case 3:
			l.read("/v1/roles?limit=1")
		case 4:
			l.try(l.customer, "GET", "/v1/webhook-endpoints/"+id.New[id.WebhookEndpoint](time.Now()).String(), "", http.StatusNotFound)
			l.try(l.reader, "POST", "/v1/roles", `{"name":"x","permissions":[]}`, http.StatusForbidden)
		}
	}
}

func (l *soakLog) newKey() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys++
	return fmt.Sprintf("k%d", l.keys)
}

// change makes a change: it repeats the call with its key until there is an answer.
func (l *soakLog) change(action, method, path, body string) (reply string) {
	l.t.Helper()
	status, reply, _ := l.answered(l.customer, nil, method, path, body, "Idempotency-Key", l.newKey())
	if status >= 300 {
		l.t.Errorf("%s %s: %d %s", method, path, status, reply)
		return reply
	}
	target := l.targetOf(path)
	if strings.HasSuffix(action, ".create") {
		target = jsonField(l.t, reply, "id")
	}
	l.expect(action, target)
	return reply
}

// targetOf returns the id in a path, otherwise the organization.
func (l *soakLog) targetOf(path string) string {
	if parts := strings.Split(path, "/"); len(parts) > 3 {
		return parts[3]
	}
	return l.org.String()
}

// read reads something, which must then have an entry with the request's id.
func (l *soakLog) read(path string) {
	status, reply, header := l.answered(l.customer, nil, "GET", path, "")
	if status != http.StatusOK {
		l.t.Errorf("GET %s: %d %s", path, status, reply)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads = append(l.reads, header.Get("X-Request-Id"))
}

// try tries what is refused.
func (l *soakLog) try(as customer, method, path, body string, want int) {
	status, reply, _ := l.answered(as, &l.tried, method, path, body)
	if status != want {
		l.t.Errorf("%s %s: %d %s", method, path, status, reply)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
}

// answered calls until there is an answer of the function: a process may be killed, and
// Postgres may be away.
func (l *soakLog) answered(as customer, calls *int, method, path, body string, headers ...string) (status int, reply string, header http.Header) {
	for {
		if calls != nil {
			l.mu.Lock()
			*calls++
			l.mu.Unlock()
		}
		status, reply, header = as.Try(method, path, body, headers...)
		switch {
		case status == 0, status == http.StatusServiceUnavailable, strings.Contains(reply, `"idempotency_`):
		case status == http.StatusInternalServerError && reply == `{"message":"Internal Server Error"}`: // the process died
		default:
			l.a.calls.Add(1)
			return status, reply, header
		}
	}
}

// decodeBatch reads what a stream sends to a server.
func decodeBatch(t *testing.T, body io.Reader) []soakEntry {
	var batch struct{ Data struct{ Entries []soakEntry } }
	if err := json.NewDecoder(body).Decode(&batch); err != nil {
		t.Errorf("a batch: %v", err)
	}
	return batch.Data.Entries
}
