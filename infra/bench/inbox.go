package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// inbox is the customers' servers: one address for each endpoint, because a real
// sender has many hosts to connect to. It records when each event arrived.
type inbox struct {
	listeners []net.Listener
	server    *http.Server

	mu       sync.Mutex
	arrivals map[arrival]time.Time
	again    int // repeated arrivals
	refused  map[arrival]bool
	changed  chan struct{}
}

// arrival identifies an event of a run at an endpoint.
type arrival struct {
	run, number, port int
}

// sent is the data of an event.
type sent struct {
	Run    int    `json:"run"`
	Number int    `json:"n"`
	Pad    string `json:"pad"`
}

// receivers is how many addresses the inbox has.
const receivers = 10

func newInbox() (*inbox, error) {
	in := &inbox{arrivals: map[arrival]time.Time{}, refused: map[arrival]bool{}, changed: make(chan struct{}, 1)}
	in.server = &http.Server{Handler: in, ReadHeaderTimeout: 10 * time.Second}
	for range receivers {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		in.listeners = append(in.listeners, l)
		go func() { _ = in.server.Serve(l) }() // ends with close
	}
	return in, nil
}

func (in *inbox) url(i int) string { return "http://" + in.listeners[i].Addr().String() + "/" }

// urlOnce is an address that refuses every second event once.
func (in *inbox) urlOnce() string { return in.url(0) + "once" }

func (in *inbox) close() { _ = in.server.Close() }

func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	now := time.Now()
	var event struct{ Data sent }
	if err != nil || json.Unmarshal(body, &event) != nil {
		return
	}
	port := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr).Port
	a := arrival{event.Data.Run, event.Data.Number, port}
	in.mu.Lock()
	defer in.mu.Unlock()
	if r.URL.Path == "/once" && a.number%2 == 1 && !in.refused[a] {
		in.refused[a] = true
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if _, ok := in.arrivals[a]; ok {
		in.again++
		return
	}
	in.arrivals[a] = now
	select {
	case in.changed <- struct{}{}:
	default:
	}
}

// await waits until n deliveries have arrived. It gives up when none came for a
// while: then deliveries are lost.
func (in *inbox) await(n int) error {
	const patience = 90 * time.Second
	for timer := time.NewTimer(patience); ; timer.Reset(patience) {
		if in.count() >= n {
			return nil
		}
		select {
		case <-in.changed:
		case <-timer.C:
			return fmt.Errorf("%d of %d deliveries arrived, none for %s: the others are lost", in.count(), n, patience)
		}
	}
}

func (in *inbox) count() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.arrivals)
}

// take empties the inbox.
func (in *inbox) take() (arrivals map[arrival]time.Time, again int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	arrivals, again = in.arrivals, in.again
	in.arrivals, in.refused, in.again = map[arrival]time.Time{}, map[arrival]bool{}, 0
	return arrivals, again
}
