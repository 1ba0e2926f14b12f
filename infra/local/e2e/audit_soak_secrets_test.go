package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// secrets are texts that must be in no entry, no copy of one and no log line, by what
// they are.
type secrets struct {
	mu   sync.Mutex
	list map[string]string
}

func (s *secrets) add(what, text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = map[string]string{}
	}
	s.list[text] = what
	return text
}

// plant returns a new text that looks like nothing else.
func (s *secrets) plant(what string) string {
	return s.add(what, "canary"+strings.ToLower(rand.Text()))
}

// plantSecrets puts secrets wherever people put them, and remembers those that the API
// makes.
func (l *soakLog) plantSecrets() {
	s := &l.a.secrets
	kept := func(reply string, members ...string) string {
		for _, name := range members {
			if text := jsonField(l.t, reply, name); text != "" {
				s.add("the member "+name+" of a reply", text)
			} else {
				l.t.Errorf("no %s in %s", name, reply)
			}
		}
		return jsonField(l.t, reply, "id")
	}
	chain, key := testkit.NewAuthority(l.t).Issue(testkit.ECDSA(l.t), time.Now().AddDate(1, 0, 0))
	s.add("a client's private key", strings.Split(key, "\n")[1])
	headers := func() string {
		return `"custom_headers":{"X-Token":"` + s.plant("a custom header") + `"},` + apitest.ClientCertificate(chain, key)
	}
	endpoint := kept(l.change("webhook_endpoint.create", "POST", "/v1/webhook-endpoints", `{"url":"https://example.com/","event_types":["x"],`+headers()+`}`), "secret")
	l.change("webhook_endpoint.update", "PATCH", "/v1/webhook-endpoints/"+endpoint, `{`+headers()+`}`)
	kept(l.change("webhook_endpoint.rotate_secret", "POST", "/v1/webhook-endpoints/"+endpoint+"/rotate-secret", `{}`), "secret")
	apiKey := kept(l.change("api_key.create", "POST", "/v1/api-keys", `{"name":"x","permissions":["events:read"]}`), "key")
	kept(l.change("api_key.rotate", "POST", "/v1/api-keys/"+apiKey+"/rotate", `{}`), "key")
	consumer := kept(l.change("event_consumer.create", "POST", "/v1/event-consumers", `{"name":"x","event_types":["x"]}`))
	l.change("event_consumer.delete", "DELETE", "/v1/event-consumers/"+consumer, "")
	for _, settings := range []string{
		`"type":"splunk_hec","splunk_hec":{"url":"https://splunk.example.com","token":"` + s.plant("a token of Splunk") + `"}`,
		`"type":"datadog","datadog":{"site":"datadoghq.eu","api_key":"` + s.plant("a key of Datadog") + `"}`,
	} {
		stream := kept(l.change("audit_stream.create", "POST", "/v1/audit-streams", `{"name":"x",`+settings+`}`))
		l.change("audit_stream.delete", "DELETE", "/v1/audit-streams/"+stream, "")
	}
	l.sendSecrets(endpoint)
}

// sendSecrets sends secrets in requests that make no entry about a change.
func (l *soakLog) sendSecrets(endpoint string) {
	s := &l.a.secrets
	forged := l.customer
	forged.Key = "ptc_" + s.plant("a key that nobody has")
	token := l.customer
	token.Key = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0." + s.plant("a token of another issuer")
	for _, tt := range []struct {
		as                 customer
		method, path, body string
		want               int
	}{
		{l.customer, "POST", "/v1/events", `{"type":"invoice.paid","data":{"card":"` + s.plant("the data of an event") + `"}}`, http.StatusAccepted},
		{l.customer, "POST", "/v1/roles", `{"password":"` + s.plant("a member that nobody knows") + `"}`, http.StatusUnprocessableEntity},
		{l.customer, "POST", "/v1/roles", `{"name":"` + s.plant("a body that ends early"), http.StatusBadRequest},
		{l.customer, "GET", "/v1/roles?access_token=" + s.plant("a query that nobody knows"), "", http.StatusUnprocessableEntity},
		{l.customer, "GET", "/v1/roles/%0A%0Dforged%E2%80%AE", "", http.StatusUnprocessableEntity},
		{l.customer, "GET", "/v1/audit-log?q=" + s.plant("words of a search"), "", http.StatusOK},
		{l.customer, "GET", "/v1/webhook-endpoints?after=" + s.plant("a cursor"), "", http.StatusUnprocessableEntity},
		{l.reader, "PATCH", "/v1/webhook-endpoints/" + endpoint, `{"custom_headers":{"Authorization":"` + s.plant("a body that is refused") + `"}}`, http.StatusForbidden},
		{forged, "GET", "/v1/roles", "", http.StatusUnauthorized},
		{token, "GET", "/v1/roles", "", http.StatusUnauthorized},
	} {
		if status, reply, _ := tt.as.Try(tt.method, tt.path, tt.body); status != tt.want {
			l.t.Errorf("%s %.30s: %d %s, want %d", tt.method, tt.path, status, reply, tt.want)
		}
		if tt.want == http.StatusForbidden {
			l.refused, l.tried = l.refused+1, l.tried+1
		}
	}
}

// checkSecrets looks for the secrets in all that has entries, and in what the processes
// have logged.
func (a *auditSoak) checkSecrets() {
	var streamed strings.Builder
	for _, r := range a.siem.All() {
		header, err := json.Marshal(r.Header)
		testkit.Must(a.t, err)
		fmt.Fprintf(&streamed, "%s\n%s\n", header, r.Body)
	}
	places := map[string]string{"the log lines": a.Log.String(), "the stream": streamed.String()}
	for _, bucket := range []string{"ArchiveBucket", "ExportBucket"} {
		for i, text := range a.objects(bucket, "") {
			places[fmt.Sprintf("object %d of %s", i, bucket)] = string(text)
		}
	}
	for _, database := range []string{"home", "acme"} {
		places["the entries in "+database] = a.rows(database)
	}
	for place, text := range places {
		// Texts that people choose have line ends and marks that turn the direction.
		if strings.Contains(text, "\nforged") || strings.Contains(text, "\u202e") && !strings.Contains(place, "ArchiveBucket") && !strings.HasPrefix(place, "the entries") {
			a.t.Errorf("%s: a text has added a line, or turns the direction of writing", place)
		}
		if len(text) < 500 {
			a.t.Errorf("%s: there are only %d bytes", place, len(text))
		}
		for secret, what := range a.secrets.list {
			if strings.Contains(text, secret) {
				a.t.Errorf("%s: in %s", what, place)
			}
		}
	}
	if len(a.secrets.list) < 40 {
		a.t.Errorf("only %d secrets were planted", len(a.secrets.list))
	}
}
