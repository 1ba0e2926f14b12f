package jobs

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// SES is a stand-in of SES that accepts every mail and notes when it got it.
type SES struct {
	URL    string
	server *http.Server

	mu     sync.Mutex
	mails  map[string][]time.Time // by mail_id: each time that it was handed over
	manner manner
	random *rand.Rand
}

// manner says how often something else happens than an answer of 200.
type manner struct {
	Lost, Throttled float64 // the mail is accepted and the connection breaks; 429
}

// NewSES starts the stand-in on this machine.
func NewSES() (*SES, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &SES{URL: "http://" + l.Addr().String(), mails: map[string][]time.Time{}}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }() // ends with Close
	return s, nil
}

// Close ends the stand-in.
func (s *SES) Close() { _ = s.server.Close() }

func (s *SES) behave(m manner, random *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manner, s.random = m, random
}

// ServeHTTP answers SendEmail of SES v2.
func (s *SES) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	at := time.Now()
	var in struct {
		EmailTags []struct{ Name, Value string }
	}
	if err != nil || json.Unmarshal(body, &in) != nil || !strings.HasSuffix(r.URL.Path, "/outbound-emails") || len(in.EmailTags) != 1 {
		http.Error(w, "{}", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch what := s.decide(in.EmailTags[0].Value, at); what {
	case http.StatusOK:
		_, _ = fmt.Fprintf(w, `{"MessageId":"%d"}`, at.UnixNano()) // the function may be gone
	case 0:
		panic(http.ErrAbortHandler) // the connection breaks
	case http.StatusTooManyRequests:
		w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
		w.WriteHeader(what)
		_, _ = io.WriteString(w, `{"message":"Maximum sending rate exceeded."}`)
	}
}

// decide returns the status of the answer; 0: the connection breaks.
func (s *SES) decide(mail string, at time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := http.StatusOK
	if s.random != nil {
		switch n := s.random.Float64(); {
		case n < s.manner.Throttled:
			return http.StatusTooManyRequests
		case n < s.manner.Throttled+s.manner.Lost:
			status = 0
		}
	}
	s.mails[mail] = append(s.mails[mail], at)
	return status
}

// take returns when each mail was handed over, and forgets them.
func (s *SES) take() map[string][]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	mails := s.mails
	s.mails = map[string][]time.Time{}
	return mails
}

func (s *SES) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mails)
}
