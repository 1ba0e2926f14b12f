package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// The soak publishes 120 events per second.
const (
	singlesPerSecond = 60
	batchesPerSecond = 3
	batchOf          = 20
	orderingKeys     = 40 // a fifth of the events have one of them
)

// publishFor publishes at a fixed rate, whatever the result of earlier calls.
func (s *soaking) publishFor(ctx context.Context, d time.Duration) {
	var calls sync.WaitGroup
	const each = time.Second / (singlesPerSecond + batchesPerSecond)
	begin, number := time.Now(), 0
	for i := 0; time.Since(begin) < d && until(ctx, begin.Add(time.Duration(i)*each)); i++ {
		n := 1
		if i%(singlesPerSecond/batchesPerSecond+1) == 0 {
			n = batchOf
		}
		first := number
		number += n
		calls.Go(func() { s.publishUntilAccepted(ctx, first, n) })
		if i%(60*(singlesPerSecond+batchesPerSecond)) == 0 {
			fmt.Fprintf(os.Stderr, "  soak: %d events after %s\n", first, time.Since(begin).Round(time.Second))
		}
	}
	calls.Wait()
}

// publishUntilAccepted repeats a call with the same idempotency key until the
// answer is final. Then the events are either accepted or not published at all.
func (s *soaking) publishUntilAccepted(ctx context.Context, first, n int) {
	events := make([]string, n)
	for i := range events {
		key := ""
		if number := first + i; number%5 == 0 {
			key = fmt.Sprintf(`,"ordering_key":"key-%d"`, number/5%orderingKeys)
		}
		events[i] = fmt.Sprintf(`{"type":"soak.event","data":{"n":%d}%s}`, first+i, key)
	}
	path, body := "/v1/events", events[0]
	if n > 1 {
		path, body = "/v1/events/batch", `{"events":[`+strings.Join(events, ",")+`]}`
	}
	for calls := 1; ctx.Err() == nil; calls++ {
		status, reply, err := s.callOnce(ctx, path, body, fmt.Sprintf("soak-%d", first))
		switch {
		case err == nil && status == http.StatusAccepted:
			s.accept(reply, n, calls)
			return
		case err == nil && status < 500 && status != http.StatusConflict && status != http.StatusTooManyRequests:
			s.problem("a publish was answered %d %s", status, reply)
			return
		case calls > 300:
			s.problem("a publish was not accepted in %d calls, the last answered %d %s %v", calls, status, reply, err)
			return
		}
		if !until(ctx, time.Now().Add(200*time.Millisecond)) {
			return
		}
	}
}

func (s *soaking) accept(reply []byte, n, calls int) {
	var made struct {
		ID   string
		Data json.RawMessage
	}
	err := json.Unmarshal(reply, &made)
	list := []struct{ ID string }{{made.ID}}
	if err == nil && n > 1 {
		err = json.Unmarshal(made.Data, &list)
	}
	if err != nil || len(list) != n {
		s.problem("a publish of %d was answered %s (%v)", n, reply, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls += calls
	s.refused += calls - 1
	for _, event := range list {
		s.accepted[event.ID] = true
	}
}

func (s *soaking) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

func (s *soaking) callOnce(ctx context.Context, path, body, key string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	res, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(res.Body)
	return res.StatusCode, reply, err
}
