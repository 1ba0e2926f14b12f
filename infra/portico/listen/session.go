package listen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"portico/infra/portico/client"
	"portico/shared/webhook/signing"
)

const (
	streamPath      = "/v1/event-stream"
	acknowledgePath = streamPath + "/acknowledge"

	// batch is how many events are read at once: few, so that the last one is
	// acknowledged before the API hands it out again.
	batch = 10
	// pollSeconds is how long the API waits for an event: the most that it allows.
	pollSeconds = 20
	// ending is how long the work after Ctrl-C may take.
	ending = 10 * time.Second
)

// Item is an event of the stream, signed by the API.
type Item struct {
	Position  int64             `json:"position"`
	EventID   string            `json:"event_id"`
	Type      string            `json:"type"`
	CreatedAt string            `json:"created_at"`
	Tries     int               `json:"tries"`
	Body      string            `json:"body"`
	Headers   map[string]string `json:"headers"`
}

// Exchange is what became of one item.
type Exchange struct {
	Time         time.Time `json:"time"`
	Type         string    `json:"type"`
	EventID      string    `json:"event_id"`
	Position     int64     `json:"position"`
	Tries        int       `json:"tries"`
	Status       int       `json:"status"` // 0: there was no response
	Milliseconds float64   `json:"latency_ms"`
	Error        string    `json:"error,omitempty"`
	Acknowledged bool      `json:"acknowledged"`
}

// Session forwards one consumer's events.
type Session struct {
	API      *client.Client
	Consumer Consumer
	To       string // the URL of the local program
	Signer   signing.Signer
	Local    *http.Client // for requests to it
	Once     bool         // acknowledge whatever it answers
	Report   func(Exchange)
	Note     func(format string, args ...any)

	accepted map[string]bool // events that are done, but could not be acknowledged yet
	failures int             // of polls, one after another
}

// Run forwards events until ctx ends, which is no error, or the API refuses.
func (s *Session) Run(ctx context.Context) error {
	s.accepted = map[string]bool{}
	for {
		began := time.Now()
		items, err := s.poll(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if err := s.pause(ctx, err); err != nil {
				return err
			}
			continue
		case s.failures > 0:
			s.failures = 0
			s.Note("The API answers again.")
		}
		for _, item := range items {
			if ctx.Err() != nil {
				return nil
			}
			s.handle(ctx, item)
		}
		// The API waits itself when there is nothing; an API that does not is not
		// asked all the time.
		if len(items) == 0 && time.Since(began) < time.Second {
			_ = s.API.Wait(ctx, time.Second) // ends early at Ctrl-C, which the loop sees
		}
	}
}

// poll waits for items.
func (s *Session) poll(ctx context.Context) ([]Item, error) {
	var page struct{ Data []Item }
	patient := *s.API
	patient.Retries = 0 // Run waits itself
	err := call(ctx, &patient, client.Request{Method: http.MethodGet, Path: streamPath, Query: url.Values{
		"consumer": {s.Consumer.Name}, "limit": {strconv.Itoa(batch)}, "wait": {strconv.Itoa(pollSeconds)},
	}}, &page)
	return page.Data, err
}

// pause waits after a poll that failed. It returns an error that waiting does not
// mend.
func (s *Session) pause(ctx context.Context, err error) error {
	var unavailable *client.Unavailable
	if !errors.As(err, &unavailable) {
		return err
	}
	if s.failures == 0 {
		s.Note("%v\nTrying again until it answers.", err)
	}
	wait := max(unavailable.After, client.Backoff(s.failures))
	s.failures++
	_ = s.API.Wait(ctx, wait) // ends early at Ctrl-C, which Run sees
	return nil
}

// handle forwards an item, acknowledges it and reports the exchange. An exchange
// that has begun is completed after Ctrl-C too.
func (s *Session) handle(ctx context.Context, item Item) {
	ctx = context.WithoutCancel(ctx)
	// At its first try an item is new, also if the event was seen before.
	if s.accepted[item.EventID] && item.Tries > 1 {
		s.acknowledge(ctx, item)
		return
	}
	e := Exchange{Time: time.Now(), Type: item.Type, EventID: item.EventID, Position: item.Position, Tries: item.Tries}
	if err := verify(item, s.Consumer.Secret); err != nil {
		e.Error = err.Error()
		s.Report(e)
		return
	}
	err := s.forward(ctx, item, &e)
	if err != nil {
		e.Error = err.Error()
	}
	if s.Once || e.Status >= 200 && e.Status <= 299 {
		e.Acknowledged = s.acknowledge(ctx, item)
	}
	s.Report(e)
}

// acknowledge reports whether the API knows now that an item is done. If not, the
// item comes again, and is then acknowledged without forwarding it again.
func (s *Session) acknowledge(ctx context.Context, item Item) bool {
	ctx, cancel := context.WithTimeout(ctx, ending)
	defer cancel()
	body, err := json.Marshal(map[string]any{"consumer": s.Consumer.Name, "position": item.Position, "only": true})
	if err == nil {
		err = call(ctx, s.API, client.Request{Method: http.MethodPost, Path: acknowledgePath, Body: body, Repeatable: true}, nil)
	}
	if err != nil {
		s.accepted[item.EventID] = true
		s.Note("%s could not be acknowledged: %v", item.EventID, err)
		return false
	}
	delete(s.accepted, item.EventID)
	return true
}

// forward sends an item's exact body to the local program, signed with the
// session's secret, and notes the answer.
func (s *Session) forward(ctx context.Context, item Item, e *Exchange) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.To, bytes.NewReader([]byte(item.Body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.API.Agent)
	if err := s.Signer.SetHeaders(req.Header, item.EventID, time.Now(), []byte(item.Body)); err != nil {
		return err
	}
	began := time.Now()
	res, err := s.Local.Do(req)
	if err == nil {
		e.Status = res.StatusCode
		err = drain(res)
	}
	e.Milliseconds = float64(time.Since(began).Microseconds()) / 1000
	return withoutURL(err)
}
