package command

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"portico/infra/portico/listen"
	"portico/shared/webhook/signing"
)

// stream stands for the API's event consumers and their stream. It hands out an item
// again at once, where the API waits.
type stream struct {
	*httptest.Server

	mu        sync.Mutex
	consumers map[string]*listen.Consumer // by name
	items     []listen.Item
	last      int64         // position
	failing   []int         // statuses of the next polls; 0: the connection ends
	acks      []int         // statuses of the next acknowledgements
	forged    bool          // sign with another secret
	done      []string      // events that were acknowledged
	changed   chan struct{} // gets a value after each event that is done
}

func newStream(t *testing.T) *stream {
	t.Helper()
	s := &stream{consumers: map[string]*listen.Consumer{}, changed: make(chan struct{}, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/event-consumers", s.create)
	mux.HandleFunc("GET /v1/event-consumers", s.list)
	mux.HandleFunc("DELETE /v1/event-consumers/{id}", s.delete)
	mux.HandleFunc("POST /v1/event-consumers/{id}/rotate-secret", s.rotate)
	mux.HandleFunc("GET /v1/event-stream", s.read)
	mux.HandleFunc("POST /v1/event-stream/acknowledge", s.acknowledge)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// publish makes an event for the consumer, or all there will be.
func (s *stream) publish(event, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items = append(s.items, listen.Item{EventID: event, Type: "invoice.paid", Body: body})
}

func (s *stream) find(id string) *listen.Consumer {
	for _, c := range s.consumers {
		if c.ID == id {
			return c
		}
	}
	return nil
}

func reply(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func missing(w http.ResponseWriter) {
	reply(w, 404, map[string]any{"status": 404, "code": "event_consumer_not_found", "detail": "There is no event consumer with this name."})
}

func (s *stream) create(w http.ResponseWriter, r *http.Request) {
	c := &listen.Consumer{}
	_ = json.NewDecoder(r.Body).Decode(c)
	c.ID, c.Secret = fmt.Sprintf("ec_%d", len(s.consumers)+1), signing.NewSecret()
	s.consumers[c.Name] = c
	reply(w, 201, c)
}

func (s *stream) list(w http.ResponseWriter, _ *http.Request) {
	all := []listen.Consumer{}
	for _, c := range s.consumers {
		shown := *c
		shown.Secret = ""
		all = append(all, shown)
	}
	reply(w, 200, map[string]any{"data": all, "next": nil})
}

func (s *stream) delete(w http.ResponseWriter, r *http.Request) {
	c := s.find(r.PathValue("id"))
	if c == nil {
		missing(w)
		return
	}
	delete(s.consumers, c.Name)
	w.WriteHeader(204)
}

func (s *stream) rotate(w http.ResponseWriter, r *http.Request) {
	c := s.find(r.PathValue("id"))
	c.Secret = signing.NewSecret()
	reply(w, 200, c)
}

func (s *stream) read(w http.ResponseWriter, r *http.Request) {
	if len(s.failing) > 0 {
		status := s.failing[0]
		s.failing = s.failing[1:]
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		reply(w, status, map[string]any{"status": status, "code": "unavailable", "detail": "A store does not answer."})
		return
	}
	c := s.consumers[r.URL.Query().Get("consumer")]
	if c == nil {
		missing(w)
		return
	}
	given := []listen.Item{}
	for i := range s.items {
		s.last++
		s.items[i].Position, s.items[i].Tries = s.last, s.items[i].Tries+1
		item, secret, header := s.items[i], c.Secret, http.Header{}
		if s.forged {
			secret = signing.NewSecret()
		}
		signer := signing.Signer{Scheme: signing.SchemeStandard, Secrets: []string{secret}}
		_ = signer.SetHeaders(header, item.EventID, time.Now(), []byte(item.Body))
		item.Headers = map[string]string{}
		for name := range header {
			item.Headers[name] = header.Get(name)
		}
		given = append(given, item)
	}
	reply(w, 200, map[string]any{"data": given})
}

func (s *stream) acknowledge(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Consumer string
		Position int64
		Only     bool
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	status := 200
	if len(s.acks) > 0 {
		status, s.acks = s.acks[0], s.acks[1:]
	}
	for i, item := range s.items {
		if status == 200 && in.Only && item.Position == in.Position {
			s.items = append(s.items[:i:i], s.items[i+1:]...)
			s.done = append(s.done, item.EventID)
			s.changed <- struct{}{}
			break
		}
	}
	reply(w, status, map[string]any{"status": status, "detail": strconv.Itoa(status)})
}

// program is what a developer tests: it remembers what it got, and answers.
type program struct {
	*httptest.Server

	mu     sync.Mutex
	got    []received
	answer func(n int, w http.ResponseWriter)
}

type received struct {
	body   string
	header http.Header
}

func newProgram(t *testing.T, answer func(n int, w http.ResponseWriter)) *program {
	t.Helper()
	p := &program{answer: answer}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.got = append(p.got, received{string(body), r.Header.Clone()})
		n := len(p.got)
		p.mu.Unlock()
		if p.answer != nil {
			p.answer(n, w)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *program) requests() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]received{}, p.got...)
}
