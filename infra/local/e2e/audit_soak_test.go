package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/infra/local/stacktest"
	"portico/shared/testkit"
)

var (
	soakSeed = flag.Uint64("seed", 0, "of the random choices of TestAuditSoak; 0: random ones")
	rounds   = flag.Int("rounds", 10, "how often TestAuditSoak disturbs")
)

// turns is how many things all workers do in a round.
const turns = 40

// auditSoak is a stack whose organizations change things while its processes are killed.
type auditSoak struct {
	stacktest.Stack
	t       *testing.T
	random  *rand.Rand // of the disturbances only
	next    []int      // disturbances
	siem    *soakSIEM
	logs    []*soakLog
	secrets secrets

	calls  atomic.Int64  // that were answered
	turns  chan struct{} // each lets a worker do one thing
	offset time.Duration
	killed map[string]int // processes, by function
}

// Organizations in two databases change and read things, and try what they may not do,
// with the real binaries. Meanwhile the sequencer, the archivers, the senders of streams
// and the API are killed at random moments, Postgres crashes, one organization moves to
// the other database and back, and the server that gets the entries fails in all ways.
// In the end the table, the chain, the archive, the stream and the export have the same
// entries: one for each change that was answered. No secret is in any of them.
func TestAuditSoak(t *testing.T) {
	t.Parallel()
	if *soakSeed == 0 {
		*soakSeed = rand.Uint64()
	}
	t.Logf("seed %d: repeat with -seed %[1]d -rounds %d", *soakSeed, *rounds)
	a := &auditSoak{Stack: own(t), t: t, random: rand.New(rand.NewPCG(*soakSeed, 0)), killed: map[string]int{}, turns: make(chan struct{}, turns)}
	a.siem = newSoakSIEM(a)
	for n := range 3 {
		a.logs = append(a.logs, a.newLog(n))
	}
	a.move(a.logs[1], "acme")
	a.advance(time.Minute) // new processes know at once which organizations want their reads recorded
	a.disturbed()
	a.siem.heal()
	a.settle()
	for _, l := range a.logs {
		l.compare()
		l.export()
	}
	a.comparePlatform()
	a.checkSecrets()
	t.Logf("%d calls, %d requests of streams, killed: %v", a.calls.Load(), len(a.siem.All()), a.killed)
	for _, name := range []string{"sequencer", "organization"} {
		if a.killed[name] == 0 {
			t.Errorf("no process of %s was killed", name)
		}
	}
}

// disturbed lets all organizations work, and disturbs them as many rounds as asked for.
func (a *auditSoak) disturbed() {
	var workers, mover sync.WaitGroup
	for n, l := range a.logs {
		for w := range 2 {
			workers.Go(func() { l.work(rand.New(rand.NewPCG(*soakSeed, uint64(1+10*n+w)))) })
		}
	}
	for round := range *rounds {
		enough := a.calls.Load() + a.random.Int64N(turns)
		for range turns {
			a.turns <- struct{}{}
		}
		testkit.Await(a.t, "further calls", func() bool { return a.calls.Load() >= enough })
		switch round {
		case *rounds / 4:
			mover.Go(func() { a.move(a.logs[2], "acme") })
		case *rounds / 2:
			testkit.Must(a.t, a.RestartPostgres(a.t.Context()))
		case *rounds * 3 / 4:
			mover.Wait()
			mover.Go(func() { a.move(a.logs[2], "home") })
		default:
			a.disturb()
		}
	}
	close(a.turns)
	workers.Wait()
	mover.Wait()
}

// disturb kills something, or lets time pass, so that archivers are due. Within seven
// rounds it does each at least once.
func (a *auditSoak) disturb() {
	if len(a.next) == 0 {
		a.next = a.random.Perm(7)
	}
	choice := a.next[0]
	a.next = a.next[1:]
	switch choice {
	case 0, 1:
		a.kill("sequencer")
	case 2, 3:
		a.kill("jobs-bulk")
	case 4:
		for _, name := range []string{"organization", "api-keys", "webhook-endpoints"} {
			a.kill(name)
		}
	default:
		a.advance(11 * time.Minute)
	}
}

func (a *auditSoak) kill(name string) {
	a.killed[name] += len(a.Processes(name))
	testkit.Must(a.t, a.Kill(name))
}

// advance moves the clock, and wakes whoever has work then.
func (a *auditSoak) advance(by time.Duration) {
	a.offset += by
	for _, name := range []string{"sequencer", "jobs-bulk", "jobs-high", "jobs-billing"} {
		a.kill(name) // otherwise their end is awaited, and an idle one waits for work
	}
	a.awaitNoError("the clock", func(ctx context.Context) error { return a.SetClockOffset(ctx, a.offset) })
	a.sweep()
}

// sweep wakes whoever has work.
func (a *auditSoak) sweep() {
	a.awaitNoError("the sweep", func(ctx context.Context) error { return a.FireSchedule(ctx, "SweeperFunction") })
}

// move moves an organization; a move that fails is repeated.
func (a *auditSoak) move(l *soakLog, to string) {
	a.awaitNoError("the move to "+to, func(ctx context.Context) error {
		_, err := a.Invoke(ctx, "move", fmt.Appendf(nil, `{"organization_id":%q,"database":%q}`, l.org, to))
		return err
	})
	l.database = to
}

func (a *auditSoak) awaitNoError(what string, do func(context.Context) error) {
	testkit.Await(a.t, what, func() bool { return do(a.t.Context()) == nil })
}

// settle waits until everything is chained, archived and sent. While nobody works, the
// clock is moved to when the next job is due, or the lease of a killed process ends.
func (a *auditSoak) settle() {
	for _, database := range []string{"home", "acme"} {
		testkit.Await(a.t, "the end of all work in "+database, func() bool {
			waits := a.waiting(database)
			switch {
			case waits.Entries+waits.Attempts+waits.Archives+waits.Streams == 0:
				return true
			case waits.Leased > 0 && a.busy("jobs-bulk"), waits.Due > 0 && (a.busy("sequencer") || a.busy("jobs-bulk")):
			case waits.Due > 0 && waits.Leased == 0:
				a.sweep()
			case waits.Next != nil:
				a.advance(*waits.Next + time.Second)
			default:
				a.advance(24 * time.Hour) // a job that died three times is added again once a day
			}
			return false
		})
	}
}

func (a *auditSoak) busy(name string) bool {
	stats, err := a.Stats(name)
	return err == nil && stats.Busy > 0
}

// waiting is what is left to do in a database.
type waiting struct {
	Entries, Attempts, Archives, Streams int
	Due, Leased                          int            // jobs, and what waits for the sequencer
	Next                                 *time.Duration // until something else is due
}

func (a *auditSoak) waiting(database string) (w waiting) {
	conn := a.connect(database)
	defer conn.Close(context.Background())
	testkit.Must(a.t, conn.QueryRow(a.t.Context(), `
		WITH due AS (
			SELECT due_at, lease IS NOT NULL AS leased FROM job WHERE kind LIKE 'audit%' AND status <> 'dead'
			UNION ALL SELECT due_at, false FROM audit_refusal WHERE due_at IS NOT NULL
		)
		SELECT (SELECT count(*) FROM audit_unchained), (SELECT count(*) FROM audit_refusal WHERE due_at IS NOT NULL),
			(SELECT count(*) FROM audit_head WHERE number > archived),
			(SELECT count(*) FROM audit_stream s JOIN audit_head h ON h.org_id = s.org_id WHERE s.reached < h.number),
			(SELECT count(*) FROM due WHERE due_at <= portico_now() AND NOT leased) + (SELECT count(*) FROM audit_unchained),
			(SELECT count(*) FROM due WHERE leased), (SELECT min(due_at) - portico_now() FROM due WHERE due_at > portico_now())`).
		Scan(&w.Entries, &w.Attempts, &w.Archives, &w.Streams, &w.Due, &w.Leased, &w.Next))
	return w
}

// soakSIEM is the server that gets the entries of all organizations.
type soakSIEM struct {
	*testkit.Receiver
	a       *auditSoak
	healthy atomic.Bool

	mu     sync.Mutex
	random *rand.Rand
	got    map[string][]soakEntry // by organization: entries of all requests, also of refused ones
	sure   map[string]map[int64]bool
	killed int // senders in the middle of a request
}

// soakEntry is an entry as the table, the archive, a stream or an export has it.
type soakEntry struct {
	Number   int64
	ID, Hash string
}

func newSoakSIEM(a *auditSoak) *soakSIEM {
	s := &soakSIEM{a: a, random: rand.New(rand.NewPCG(*soakSeed, 99)), got: map[string][]soakEntry{}, sure: map[string]map[int64]bool{}}
	s.Receiver = testkit.NewReceiver(a.t, s.answer)
	return s
}

// heal ends all failures.
func (s *soakSIEM) heal() { s.healthy.Store(true) }

// answer takes a batch, and fails in one of many ways.
func (s *soakSIEM) answer(n int, w http.ResponseWriter, r *http.Request) {
	org := strings.TrimPrefix(r.URL.Path, "/")
	entries := decodeBatch(s.a.t, r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got[org] = append(s.got[org], entries...)
	choice := s.random.IntN(8)
	if n == 2 {
		choice = 3
	}
	if s.healthy.Load() {
		choice = 9
	}
	switch choice {
	case 0:
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case 1:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case 2:
		panic(http.ErrAbortHandler) // the connection is cut
	case 3:
		testkit.Must(s.a.t, s.a.Kill("jobs-bulk")) // nobody notes that the batch has arrived
		s.killed++
	}
	if s.sure[org] == nil {
		s.sure[org] = map[int64]bool{}
	}
	for _, e := range entries {
		s.sure[org][e.Number] = true
	}
}
