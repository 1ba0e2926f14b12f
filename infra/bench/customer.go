package main

import (
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// soakTimeout is the timeout of the soak's endpoints.
const soakTimeout = 2 * time.Second

// manner is how a receiver behaves: how many of a hundred requests get each kind
// of answer.
type manner struct {
	name       string
	fails      int // 500
	hangsUp    int // the connection is closed without an answer
	slow       int // the answer takes up to one and a half timeouts
	overloaded int // 429 with Retry-After of 1 to 3 s
	schedule   []int
	ordered    bool
}

// manners are those of the soak's receivers. The waits are short, so that
// deliveries are retried and use up their tries during the soak.
var manners = []manner{
	{name: "works", schedule: []int{1, 2, 4}},
	{name: "answers 500 at random", fails: 20, schedule: []int{1, 2, 4, 8}},
	{name: "closes connections", hangsUp: 10, schedule: []int{1, 2, 4}},
	{name: "slow", slow: 3, schedule: []int{1, 1}},
	{name: "answers 429", overloaded: 10, schedule: []int{1, 1, 1}},
	{name: "dies for a while", schedule: []int{1, 1, 1, 1}},
	{name: "fails most of the time", fails: 60, schedule: []int{1, 1}},
	{name: "ordered, fails", fails: 10, hangsUp: 5, schedule: []int{1, 1}, ordered: true},
}

// mortal is the index of the receiver that dies for a while.
const mortal = 5

// customer is a server that records every request that it gets.
type customer struct {
	manner
	address  string
	endpoint string // id
	server   *http.Server

	mu     sync.Mutex
	random *rand.Rand
	healed bool
	got    map[string]*receipt // by event id
	order  int                 // number of acceptances so far
}

// receipt is what a customer has recorded about one event.
type receipt struct {
	requests int
	accepted []time.Time // answered with 200
	position int         // number of the first acceptance, in the order of all of the customer's acceptances
}

func newCustomer(m manner, random *rand.Rand) (*customer, error) {
	c := &customer{manner: m, address: "127.0.0.1:0", random: random, got: map[string]*receipt{}}
	return c, c.listen()
}

// listen serves on the same address as before.
func (c *customer) listen() error {
	l, err := net.Listen("tcp", c.address)
	if err != nil {
		return err
	}
	c.address = l.Addr().String()
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	go func(server *http.Server) { _ = server.Serve(l) }(c.server) // ends with stop
	return nil
}

func (c *customer) url() string { return "http://" + c.address + "/" }

// stop refuses connections and closes those that are open.
func (c *customer) stop() { _ = c.server.Close() }

func (c *customer) heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.healed = true
}

// answer is the answer to a request.
type answer struct {
	status     int // 0: the connection is closed
	after      time.Duration
	retryAfter int
}

func (c *customer) decide(event string) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.got[event] == nil {
		c.got[event] = &receipt{}
	}
	c.got[event].requests++
	if c.healed {
		return answer{status: http.StatusOK}
	}
	switch n := c.random.IntN(100); {
	case n < c.fails:
		return answer{status: http.StatusInternalServerError}
	case n < c.fails+c.hangsUp:
		return answer{}
	case n < c.fails+c.hangsUp+c.slow:
		return answer{status: http.StatusOK, after: time.Duration(c.random.Int64N(int64(soakTimeout * 3 / 2)))}
	case n < c.fails+c.hangsUp+c.slow+c.overloaded:
		return answer{status: http.StatusTooManyRequests, retryAfter: 1 + c.random.IntN(3)}
	}
	return answer{status: http.StatusOK}
}

func (c *customer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // the request was not received completely
	}
	event := r.Header.Get("Webhook-Id")
	a := c.decide(event)
	select {
	case <-time.After(a.after):
	case <-r.Context().Done():
	}
	if r.Context().Err() != nil {
		return // the sender has disconnected
	}
	switch a.status {
	case 0:
		panic(http.ErrAbortHandler) // closes the connection, silently
	case http.StatusOK:
		c.accept(event)
		return
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	w.WriteHeader(a.status)
}

func (c *customer) accept(event string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got[event]
	if c.order++; len(got.accepted) == 0 {
		got.position = c.order
	}
	got.accepted = append(got.accepted, time.Now())
}
