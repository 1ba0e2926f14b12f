// Package inbox is a receiver of webhooks that shows each delivery, and whether
// its signature is valid. It learns an endpoint's secret from the API's reply
// that shows it.
package inbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// keep is how many deliveries are kept, the newest.
const keep = 50

// maxBody is above every body that Portico sends, in bytes.
const maxBody = 1 << 20

// Inbox receives webhooks.
type Inbox struct {
	path string // of its URL
	keys keyring

	mu       sync.Mutex
	received []Delivery // the newest first
}

// Delivery is one request as it was received.
type Delivery struct {
	At      time.Time
	Headers []Header // sorted by name
	Body    string
	Event   string // id
	Type    string // of the event; empty if the body is not one
	// Endpoint is the one whose secret or key made the signature; empty: no known
	// one.
	Endpoint string
}

// Header is one header's name and value.
type Header struct{ Name, Value string }

// New returns an inbox at a path, with the secrets that are stored in the file;
// with "" they are kept in memory.
func New(path, file string) (*Inbox, error) {
	in := &Inbox{path: path}
	return in, in.keys.load(file)
}

// ServeHTTP receives a webhook.
func (in *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		http.Error(w, "the inbox takes 1 MiB at most", http.StatusRequestEntityTooLarge)
		return
	} else if err != nil {
		return // the sender went away
	}
	d := Delivery{
		At: time.Now(), Body: string(body), Headers: headers(r.Header), Event: r.Header.Get("Webhook-Id"),
		Endpoint: in.keys.signer(r.Header, body),
	}
	var event struct{ Type string }
	if json.Unmarshal(body, &event) == nil {
		d.Type = event.Type
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.received = slices.Insert(in.received, 0, d)
	in.received = in.received[:min(len(in.received), keep)]
}

func headers(h http.Header) []Header {
	var list []Header
	for name, values := range h {
		for _, v := range values {
			list = append(list, Header{name, v})
		}
	}
	slices.SortFunc(list, func(a, b Header) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Received returns the stored deliveries, the newest first.
func (in *Inbox) Received() []Delivery {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.received)
}
