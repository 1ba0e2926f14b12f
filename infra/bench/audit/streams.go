package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"portico/infra/bench/budget"
	"portico/shared/audit/chain"
	"portico/shared/id"
)

// siem is a customer's server that counts the entries that it gets.
type siem struct {
	listener net.Listener
	changed  chan struct{}

	mu       sync.Mutex
	seen     map[id.AuditEntry]bool
	requests int
}

func newSIEM() (*siem, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &siem{listener: l, changed: make(chan struct{}, 1), seen: map[id.AuditEntry]bool{}}
	go func() { _ = (&http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}).Serve(l) }() // ends with the listener
	return s, nil
}

func (s *siem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var batch struct {
		Data struct {
			Entries []struct{ ID id.AuditEntry }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	for _, e := range batch.Data.Entries {
		s.seen[e.ID] = true
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// await waits until n entries have arrived, and returns in how many requests.
func (s *siem) await(n int) (requests int, err error) {
	const patience = time.Minute
	for timer := time.NewTimer(patience); ; timer.Reset(patience) {
		s.mu.Lock()
		seen, requests := len(s.seen), s.requests
		s.mu.Unlock()
		if seen >= n {
			return requests, nil
		}
		select {
		case <-s.changed:
		case <-timer.C:
			return 0, fmt.Errorf("%d of %d entries arrived at the stream's server, none for %s", seen, n, patience)
		}
	}
}

// measureStream measures how fast a stream that is behind sends entries to a server.
func (b *bed) measureStream(ctx context.Context) error {
	n := 100_000
	if b.Short {
		n = 10_000
	}
	server, err := newSIEM()
	if err != nil {
		return err
	}
	defer server.listener.Close()
	var made struct{ ID string }
	if err := b.post(ctx, "/v1/audit-streams", fmt.Sprintf(`{"name":"SIEM","type":"https","https":{"url":"http://%s/"},"actions":["webhook_endpoint.update"]}`, server.listener.Addr()), &made); err != nil {
		return err
	}
	// A sequencer of the stack may be awake, and would wake the stream before its time.
	if err := b.call(ctx, http.MethodPatch, "/v1/audit-streams/"+made.ID, `{"status":"paused"}`); err != nil {
		return err
	}
	if err := b.write(ctx, n); err != nil {
		return err
	}
	if err := b.chainAll(ctx, &chain.Sequencer{}); err != nil {
		return err
	}
	begin := time.Now()
	// A change of the stream wakes it.
	if err := b.call(ctx, http.MethodPatch, "/v1/audit-streams/"+made.ID, `{"status":"enabled"}`); err != nil {
		return err
	}
	requests, err := server.await(n)
	if err != nil {
		return err
	}
	b.Add("entries that a stream sends to a server", "", budget.None, "%.0f/s, %d entries a request", float64(n)/time.Since(begin).Seconds(), n/requests)
	return b.call(ctx, http.MethodDelete, "/v1/audit-streams/"+made.ID, "")
}
