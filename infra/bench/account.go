package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
)

// delivery is a delivery as it is in Postgres at the end.
type delivery struct {
	org      id.Org
	event    id.Event
	endpoint id.WebhookEndpoint
	status   string
	attempts int
	key      *string
	seq      *int64
}

// tally is the account of one customer.
type tally struct {
	delivered, failed  int
	requests, accepted int
	again              map[string]int // further acceptances that the delivery's state does not explain, by cause
}

// Why a receiver accepted an event again, or accepted it although that was not
// recorded.
const (
	answerLost = "answer lost"     // the answer was too late, or the receiver died before sending it
	resultLost = "result lost"     // a kill or a crash after the answer, before it was recorded
	unknown    = "no known reason" // a fault of Portico
	slack      = 500 * time.Millisecond
)

// account compares the accepted events, their deliveries in Postgres, and the
// requests that the receivers got. Its error lists the differences.
func (s *soaking) account(ctx context.Context, took time.Duration) error {
	tallies := map[string]*tally{}
	customers := map[string]*customer{}
	for _, c := range s.customers {
		c.mu.Lock() // no goroutine changes it any more
		defer c.mu.Unlock()
		tallies[c.endpoint], customers[c.endpoint] = &tally{again: map[string]int{}}, c
	}
	deliveries, err := s.deliveries(ctx)
	if err != nil {
		return err
	}
	if want := len(s.accepted) * len(s.customers); len(deliveries) != want {
		s.problem("%d events were accepted, which makes %d deliveries; there are %d", len(s.accepted), want, len(deliveries))
	}
	for _, d := range deliveries {
		if c := customers[d.endpoint.String()]; !s.accepted[d.event.String()] || c == nil {
			s.problem("%s to %s was never accepted", d.event, d.endpoint)
		} else if err := s.compare(ctx, c, d, tallies[c.endpoint]); err != nil {
			return err
		}
	}
	keys := s.checkOrder(deliveries, customers)
	if err := s.checkAttempts(ctx); err != nil {
		return err
	}
	return errors.Join(s.reportSoak(tallies, keys, took), s.balance())
}

func (s *soaking) deliveries(ctx context.Context) ([]delivery, error) {
	rows, err := s.db.Query(ctx, `
		SELECT d.org_id, d.event_id, d.endpoint_id, d.status, d.attempts, d.ordering_key, d.seq
		FROM webhook_delivery d JOIN event e ON e.org_id = d.org_id AND e.id = d.event_id WHERE e.type = 'soak.event'`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d delivery, err error) {
		err = row.Scan(&d.org, &d.event, &d.endpoint, &d.status, &d.attempts, &d.key, &d.seq)
		return d, err
	})
}

// compare compares a delivery's state with the requests that its receiver got.
func (s *soaking) compare(ctx context.Context, c *customer, d delivery, t *tally) error {
	got := c.got[d.event.String()]
	if got == nil {
		got = &receipt{}
	}
	t.requests, t.accepted = t.requests+got.requests, t.accepted+len(got.accepted)
	expected := 0
	switch {
	case d.status == "delivered":
		t.delivered++
		if expected = 1; len(got.accepted) == 0 {
			s.problem("%s to «%s» is delivered, but was never accepted", d.event, c.name)
		}
	case d.status == "failed" && d.attempts == len(c.schedule)+1:
		t.failed++
	default:
		s.problem("%s to «%s» is %s after %d tries of %d", d.event, c.name, d.status, d.attempts, len(c.schedule)+1)
	}
	if len(got.accepted) <= expected {
		return nil
	}
	return s.explain(ctx, c, d, got, t)
}

// explain finds the cause of each acceptance that was not logged as a success.
func (s *soaking) explain(ctx context.Context, c *customer, d delivery, got *receipt, t *tally) error {
	type try struct {
		from, to time.Time
		success  bool
	}
	rows, err := s.db.Query(ctx, `
		SELECT started_at, started_at + latency * interval '1 microsecond', error IS NULL
		FROM webhook_attempt WHERE org_id = $1 AND event_id = $2 AND endpoint_id = $3`, d.org, d.event, d.endpoint)
	if err != nil {
		return err
	}
	tries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t try, err error) {
		err = row.Scan(&t.from, &t.to, &t.success)
		return t, err
	})
	if err != nil {
		return err
	}
	for _, at := range got.accepted {
		i := slices.IndexFunc(tries, func(t try) bool { return at.After(t.from.Add(-slack)) && at.Before(t.to.Add(slack)) })
		switch {
		case i >= 0 && tries[i].success:
		case i >= 0:
			t.again[answerLost]++
		case s.disturbed(at):
			t.again[resultLost]++
		default:
			t.again[unknown]++
			s.problem("%s to «%s» was accepted at %s, but no try of then is logged, of %d; Postgres away %v", d.event, c.name, at, len(tries), s.restarts)
		}
	}
	return nil
}

// disturbed reports whether the result of a try at that time may be lost.
// Normally a result is recorded at once; it is lost if its dispatcher or
// Postgres dies before. While Postgres is down, a result waits; it is lost if
// that takes longer than a lease.
func (s *soaking) disturbed(at time.Time) bool {
	const moments, lease = 5 * time.Second, 30 * time.Second
	if len(s.restarts) == 2 && at.After(s.restarts[0]) && s.restarts[1].Sub(at) > lease {
		return true
	}
	return slices.ContainsFunc(slices.Concat(s.kills, s.restarts), func(k time.Time) bool {
		return at.Before(k.Add(time.Second)) && k.Before(at.Add(moments))
	})
}

// checkOrder compares, for each key, the order of seq with that of the first
// acceptances. It returns how many keys there were.
func (s *soaking) checkOrder(deliveries []delivery, customers map[string]*customer) int {
	byKey := map[string][]delivery{}
	for _, d := range deliveries {
		if d.key != nil {
			byKey[*d.key] = append(byKey[*d.key], d)
		}
	}
	for key, list := range byKey {
		slices.SortFunc(list, func(a, b delivery) int { return cmp.Compare(*a.seq, *b.seq) })
		position := 0
		for _, d := range list {
			got := customers[d.endpoint.String()].got[d.event.String()]
			if got == nil || len(got.accepted) == 0 {
				continue
			}
			if got.position < position {
				s.problem("%s, seq %d of %s, was accepted before one that precedes it", d.event, *d.seq, key)
			}
			position = got.position
		}
	}
	return len(byKey)
}

// checkAttempts counts the deliveries whose number of tries differs from their
// attempt log.
func (s *soaking) checkAttempts(ctx context.Context) error {
	var n int
	err := s.db.QueryRow(ctx, `
		SELECT count(*) FROM webhook_delivery d LEFT JOIN (
			SELECT org_id, event_id, endpoint_id, count(*) AS logged FROM webhook_attempt GROUP BY org_id, event_id, endpoint_id
		) a USING (org_id, event_id, endpoint_id)
		WHERE d.attempts <> coalesce(a.logged, 0)`).Scan(&n)
	if n > 0 {
		s.problem("%d deliveries have other tries in their log than they count", n)
	}
	return err
}

func (s *soaking) reportSoak(tallies map[string]*tally, keys int, took time.Duration) error {
	leaseLost, err := s.leaseLost()
	if err != nil {
		return err
	}
	away := "never"
	if len(s.restarts) > 0 {
		away = "for " + s.restarts[1].Sub(s.restarts[0]).Round(time.Millisecond).String()
	}
	fmt.Printf("\nsoak: seed %d, %s in all; %d events accepted in %d calls, of which %d were refused and repeated; %d dispatchers killed, Postgres down %s; %d results discarded because their lease was lost; %d ordering keys\n\n",
		s.seed, took.Round(time.Second), len(s.accepted), s.calls, s.refused, len(s.kills), away, leaseLost, keys)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "receiver\tdelivered\tfailed\tlost\trequests\taccepted\ttwice: %s\t%s\t%s\n", answerLost, resultLost, unknown)
	for _, c := range s.customers {
		n := tallies[c.endpoint]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", c.name, n.delivered, n.failed, len(s.accepted)-n.delivered-n.failed,
			n.requests, n.accepted, n.again[answerLost], n.again[resultLost], n.again[unknown])
	}
	return t.Flush()
}

var leaseLostMetric = regexp.MustCompile(`"LeaseLost":(\d+)`)

// leaseLost adds up the metric in the functions' logs.
func (s *soaking) leaseLost() (sum int, err error) {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	for _, match := range leaseLostMetric.FindAllSubmatch(text, -1) {
		n, _ := strconv.Atoi(string(match[1])) // digits
		sum += n
	}
	return sum, err
}

// balance returns an error that lists the differences, if there are any.
func (s *soaking) balance() error {
	if len(s.problems) == 0 {
		return nil
	}
	return fmt.Errorf("accepted events, deliveries and requests do not match, seed %d; %d problems, the first of them:\n  %s",
		s.seed, len(s.problems), strings.Join(s.problems[:min(10, len(s.problems))], "\n  "))
}
