package main

import (
	"strings"
	"testing"
	"time"

	"portico/shared/id"
)

// The check of a soak finds each kind of difference.
func TestAccount(t *testing.T) {
	now := time.Now()
	key := "key"
	first, second := id.New[id.Event](now), id.New[id.Event](now)
	seq := func(n int64) *int64 { return &n }
	accepted := func(position int) *receipt {
		return &receipt{requests: 1, accepted: []time.Time{now}, position: position}
	}
	for _, test := range []struct {
		name       string
		deliveries []delivery
		got        map[string]*receipt
		want       string // in the problem; "": none
	}{
		{"delivered and accepted", []delivery{{event: first, status: "delivered", attempts: 1}}, map[string]*receipt{first.String(): accepted(1)}, ""},
		{"delivered, but never accepted", []delivery{{event: first, status: "delivered", attempts: 1}}, nil, "never accepted"},
		{"failed after all its tries", []delivery{{event: first, status: "failed", attempts: 3}}, nil, ""},
		{"failed with a try left", []delivery{{event: first, status: "failed", attempts: 2}}, nil, "failed after 2 tries of 3"},
		{"still pending", []delivery{{event: first, status: "pending", attempts: 1}}, nil, "pending"},
		{"a key in order", []delivery{
			{event: second, status: "delivered", attempts: 1, key: &key, seq: seq(2)},
			{event: first, status: "delivered", attempts: 1, key: &key, seq: seq(1)},
		}, map[string]*receipt{first.String(): accepted(1), second.String(): accepted(2)}, ""},
		{"a key out of order", []delivery{
			{event: first, status: "delivered", attempts: 1, key: &key, seq: seq(1)},
			{event: second, status: "delivered", attempts: 1, key: &key, seq: seq(2)},
		}, map[string]*receipt{first.String(): accepted(2), second.String(): accepted(1)}, "before one that precedes it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c := &soaking{}, &customer{manner: manner{schedule: []int{1, 1}}, got: test.got}
			customers := map[string]*customer{id.WebhookEndpoint{}.String(): c}
			for _, d := range test.deliveries {
				if err := s.compare(t.Context(), c, d, &tally{again: map[string]int{}}); err != nil {
					t.Fatal(err)
				}
			}
			s.checkOrder(test.deliveries, customers)
			if problems := strings.Join(s.problems, "\n"); (problems == "") != (test.want == "") || !strings.Contains(problems, test.want) {
				t.Errorf("problems %q, want %q", problems, test.want)
			}
		})
	}
}

// A result that was not recorded is explained only by a kill or a crash soon
// after the answer.
func TestDisturbed(t *testing.T) {
	at := time.Now()
	for _, test := range []struct {
		name string
		kill time.Duration // after the answer
		away []time.Time   // of Postgres
		want bool
	}{
		{"a kill soon after", 2 * time.Second, nil, true},
		{"a kill long after", time.Minute, nil, false},
		{"a kill long before", -time.Minute, nil, false},
		{"Postgres away for longer than a lease", time.Hour, []time.Time{at.Add(-3 * time.Second), at.Add(40 * time.Second)}, true},
		{"Postgres away for less", time.Hour, []time.Time{at.Add(-3 * time.Second), at.Add(20 * time.Second)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := (&soaking{kills: []time.Time{at.Add(test.kill)}, restarts: test.away}).disturbed(at); got != test.want {
				t.Errorf("%v", got)
			}
		})
	}
}

// The log of Postgres is divided by statement. Parsing, other statements, and
// plan steps that were not executed are left out.
func TestSamples(t *testing.T) {
	got := samples([]string{
		"duration: 0.5 ms  parse stmtcache_1: " + statements[0].words,
		"duration: 1.5 ms  execute stmtcache_1: " + statements[0].words,
		"duration: 1.0 ms  execute stmtcache_2: SELECT 1",
		"duration: 2.5 ms  plan:\nQuery Text: " + statements[0].words + "\nUpdate on d  (cost=1.0..2.0 rows=1 width=1) (actual time=1..2 rows=3 loops=1)\n  Buffers: shared hit=7\n" +
			"  ->  Index Scan on e  (cost=1.0..2.0 rows=1 width=1) (never executed)\n        Index Cond: (a = b)\n",
		"checkpoint starting: time",
	})
	if len(got) != 1 || len(got["claim"]) != 2 || got["claim"][0].took != 1500*time.Microsecond {
		t.Fatalf("%+v", got)
	}
	if s := got["claim"][1]; s.plan != "Update on d  (actual time=1..2 rows=3 loops=1)\n  Buffers: shared hit=7" || s.read() != 7 {
		t.Errorf("%q, %d buffers", s.plan, s.read())
	}
}
