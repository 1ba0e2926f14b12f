package claim_test

import (
	"context"
	"testing"
	"time"

	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// dues are two environments' views of one item, and their clock.
func dues(t *testing.T, endpoint string) (a, b *claim.Due, c *clock.Clock) {
	t.Helper()
	client, table := testkit.Table(t, endpoint, "id")
	c = &clock.Clock{}
	return claim.NewDue(client, table, "queue", pg.Home, c), claim.NewDue(client, table, "queue", pg.Home, c), c
}

func readDue(t *testing.T, d *claim.Due) claim.DueItem {
	t.Helper()
	item, err := d.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return item
}

// Every Lower makes the due time earlier, and only a Raise makes it later.
func TestDue(t *testing.T) {
	for name, endpoint := range testkit.DynamoDBEndpoints(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, c := dues(t, endpoint)
			ctx, start := context.Background(), c.Now().Truncate(time.Millisecond)
			lower := func(d *claim.Due, at time.Time) {
				t.Helper()
				if err := d.Lower(ctx, at); err != nil {
					t.Fatal(err)
				}
			}
			raise := func(read claim.DueItem, next time.Time, want bool) {
				t.Helper()
				if raised, err := b.Raise(ctx, read, next); err != nil || raised != want {
					t.Fatalf("raised %v (%v), want %v", raised, err, want)
				}
			}
			at := func(want time.Time) {
				t.Helper()
				if got := readDue(t, a).At; !got.Equal(want) {
					t.Fatalf("due at %v, want %v", got, want)
				}
			}
			if !readDue(t, a).Missing() {
				t.Fatal("a new table has an item")
			}
			lower(a, start.Add(time.Hour))
			at(start.Add(time.Hour))
			lower(b, start.Add(time.Minute))
			at(start.Add(time.Minute))
			lower(a, start.Add(2*time.Hour)) // relied upon, not moved
			at(start.Add(time.Minute))

			raise(readDue(t, a), start.Add(3*time.Hour), false) // not quiet yet
			c.Advance(121 * time.Second)
			before := readDue(t, a)
			lower(a, start.Add(4*time.Hour)) // somebody relies on it since the read
			c.Advance(121 * time.Second)
			raise(before, start.Add(3*time.Hour), false)
			raise(readDue(t, a), start.Add(3*time.Hour), true)
			at(start.Add(3 * time.Hour))
			raise(readDue(t, a), time.Time{}, true)
			at(time.Time{})
			lower(b, start.Add(time.Second)) // nothing was due: any time is earlier
			at(start.Add(time.Second))
		})
	}
}

// An environment that has lowered the time already writes again only after ten
// seconds, but it always writes an earlier time.
func TestLowerIsRare(t *testing.T) {
	t.Parallel()
	a, _, c := dues(t, testkit.DynamoDBEndpoint(t))
	ctx, start := context.Background(), c.Now()
	for _, step := range []struct {
		after  time.Duration
		at     time.Time
		writes bool
	}{
		{0, start, true},
		{0, start.Add(time.Second), false},
		{9 * time.Second, start.Add(9 * time.Second), false},
		{2 * time.Second, start.Add(11 * time.Second), true},
		{0, start.Add(-time.Second), true},
	} {
		c.Advance(step.after)
		before := readDue(t, a)
		if err := a.Lower(ctx, step.at); err != nil {
			t.Fatal(err)
		}
		if wrote := readDue(t, a) != before; wrote != step.writes {
			t.Errorf("lower to start%+v: wrote %v, want %v", step.at.Sub(start), wrote, step.writes)
		}
	}
}

// A publish lowers the time, then commits. A sweep reads the item, asks Postgres,
// then raises the time. In every interleaving of these five steps the item is in
// the end no later than the committed deliveries.
func TestRaiseNeverHidesACommit(t *testing.T) {
	t.Parallel()
	for _, order := range interleavings("lc", "rqw") {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			publisher, sweeper, c := dues(t, testkit.DynamoDBEndpoint(t))
			ctx := context.Background()
			// Something was due long ago, and the item has not been lowered
			// since.
			if err := sweeper.Lower(ctx, c.Now()); err != nil {
				t.Fatal(err)
			}
			c.Advance(2 * time.Minute)
			published := c.Now()
			var committed, found time.Time // what Postgres holds, what the sweep saw
			var item claim.DueItem
			for _, step := range order {
				switch step {
				case 'l':
					if err := publisher.Lower(ctx, published); err != nil {
						t.Fatal(err)
					}
				case 'c':
					committed = published
				case 'r':
					item = readDue(t, sweeper)
				case 'q':
					found = committed
				case 'w':
					if _, err := sweeper.Raise(ctx, item, found); err != nil {
						t.Fatal(err)
					}
				}
			}
			if at := readDue(t, sweeper).At; at.IsZero() || at.After(published) {
				t.Errorf("due at %v, but a delivery is due at %v", at, published)
			}
		})
	}
}

// interleavings returns every merge of a and b that keeps the order of each.
func interleavings(a, b string) []string {
	if a == "" || b == "" {
		return []string{a + b}
	}
	var out []string
	for _, rest := range interleavings(a[1:], b) {
		out = append(out, a[:1]+rest)
	}
	for _, rest := range interleavings(a, b[1:]) {
		out = append(out, b[:1]+rest)
	}
	return out
}
