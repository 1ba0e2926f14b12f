package stack

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"portico/infra/local/aws"
	"portico/infra/local/lambda"
	"portico/infra/local/nameserver"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"clock": func(t time.Time) string { return t.Format("15:04:05") },
	"join":  func(list []string) string { return strings.Join(list, ", ") },
	"indent": func(text string) string {
		var out bytes.Buffer
		if json.Indent(&out, []byte(text), "", "  ") != nil {
			return text // not JSON
		}
		return out.String()
	},
}).ParseFS(pageFiles, "pages/*.html"))

// control serves the stack's own pages, below /_local/ of the HTTP API.
type control struct {
	stack *Stack
	mux   *http.ServeMux
}

const (
	controlPath = "/_local/"
	inboxPath   = controlPath + "inbox"
	mailboxPath = controlPath + "mailbox"
	samlPath    = controlPath + "saml"
	openIDPath  = controlPath + "openid"
	dnsPath     = controlPath + "dns"
)

func (s *Stack) control() *control {
	c := &control{s, http.NewServeMux()}
	c.mux.HandleFunc("GET /_local/{$}", c.index)
	c.mux.HandleFunc("GET /_local/functions", c.functions)
	c.mux.HandleFunc("GET /_local/dynamodb", c.dynamoDB)
	c.mux.HandleFunc("POST /_local/schedules/{name}", c.fire)
	c.mux.HandleFunc("POST /_local/clock", c.clock)
	c.mux.HandleFunc("GET "+inboxPath, c.inbox)
	c.mux.HandleFunc("GET "+mailboxPath, c.mailbox)
	c.mux.HandleFunc("GET "+mailboxPath+"/{id}", c.mail)
	c.mux.HandleFunc("POST "+mailboxPath+"/{id}/events", c.report)
	c.mux.HandleFunc("GET "+mailboxPath+"/account", c.mailAccount)
	c.mux.HandleFunc("POST "+mailboxPath+"/account", c.setMailAccount)
	c.mux.HandleFunc("GET /_local/mail", c.preview)
	c.mux.HandleFunc("POST "+dnsPath, c.setDNS)
	return c
}

// above puts the control pages before another handler.
func (c *control) above(next http.Handler) http.Handler {
	all := http.NewServeMux()
	all.Handle("POST "+inboxPath, c.stack.inbox)
	all.Handle("/", noWebhooks(c.mux))
	own := fromThisMachine(all)
	providers := map[string]http.Handler{samlPath: fromThisMachine(c.stack.saml), openIDPath: fromThisMachine(c.stack.openID)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, controlPath) {
			next.ServeHTTP(w, r)
			return
		}
		for path, provider := range providers {
			if strings.HasPrefix(r.URL.Path, path+"/") { // its page leads to another site
				provider.ServeHTTP(w, r)
				return
			}
		}
		// Pages, and mails in them, load nothing from elsewhere.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; form-action 'self'; frame-ancestors 'none'")
		w.Header().Set("Cache-Control", "no-store")
		own.ServeHTTP(w, r)
	})
}

func (c *control) page(w http.ResponseWriter, name string, data any) {
	var out strings.Builder
	if err := pages.ExecuteTemplate(&out, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(out.String())) // the client may be gone
}

// functionState is a function as the pages show it.
type functionState struct {
	Name string
	PIDs []int
	lambda.Stats
}

func (c *control) functionStates() []functionState {
	var list []functionState
	for _, f := range c.stack.host.Functions() {
		list = append(list, functionState{f.Name, f.PIDs(), f.Stats()})
	}
	return list
}

func (c *control) index(w http.ResponseWriter, _ *http.Request) {
	type queue struct {
		Name string
		aws.Depth
	}
	var queues []queue
	for _, q := range c.stack.aws.Queues() {
		queues = append(queues, queue{q.Name, q.Depth()})
	}
	c.page(w, "index.html", map[string]any{
		"Stack": c.stack, "Functions": c.functionStates(), "Queues": queues,
		"Schedules": c.stack.Template.Schedules, "Texts": c.stack.names.Texts(), "Mails": len(c.stack.Mailbox().List()), "Webhooks": len(c.stack.inbox.Received()),
	})
}

func (c *control) functions(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(c.functionStates()) // the client may be gone
}

// tally counts the calls of DynamoDB, by their names.
type tally struct {
	mu    sync.Mutex
	calls map[string]int64
}

func (t *tally) count(call string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls = map[string]int64{}
	}
	t.calls[call]++
}

// dynamoDB tells how many calls DynamoDB has got since the start.
func (c *control) dynamoDB(w http.ResponseWriter, _ *http.Request) {
	t := &c.stack.asked
	t.mu.Lock()
	defer t.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(t.calls) // the client may be gone
}

// fire runs a schedule and answers when it is done. A click on the page's button
// then leads back to the page.
func (c *control) fire(w http.ResponseWriter, r *http.Request) {
	err := c.stack.FireSchedule(r.Context(), r.PathValue("name"))
	switch {
	case errors.Is(err, errNoSchedule):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil && r.Context().Err() == nil:
		http.Error(w, err.Error(), http.StatusBadGateway)
	case strings.Contains(r.Header.Get("Accept"), "text/html"):
		http.Redirect(w, r, controlPath, http.StatusSeeOther)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// setDNS gives a name a TXT record, which the functions find from now on; without a value
// the name does not exist. A form of the page then leads back to the page.
func (c *control) setDNS(w http.ResponseWriter, r *http.Request) {
	name, value := strings.ToLower(strings.TrimSuffix(r.PostFormValue("name"), ".")), r.PostFormValue("value")
	if !nameserver.IsName(name) || len(value) > 255 {
		http.Error(w, "name must be a host name, and value have up to 255 bytes", http.StatusBadRequest)
		return
	}
	if value == "" {
		c.stack.names.Set(name)
	} else {
		c.stack.names.Set(name, value)
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, controlPath, http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (c *control) clock(w http.ResponseWriter, r *http.Request) {
	offset, err := time.ParseDuration(r.URL.Query().Get("offset"))
	if err != nil {
		http.Error(w, "offset must be a duration such as 90s or -1h", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*drain)
	defer cancel()
	if err := c.stack.SetClockOffset(ctx, offset); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprintf(w, "the clock is set %v ahead\n", offset)
}

func (c *control) inbox(w http.ResponseWriter, _ *http.Request) {
	c.page(w, "inbox.html", map[string]any{"API": c.stack.URL, "URL": c.stack.InboxURL(), "Received": c.stack.inbox.Received()})
}
