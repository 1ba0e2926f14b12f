package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// picky writes its text, unless that says what is wrong.
var picky = job.Kind[note]{Name: "test.picky", Queue: job.High, Retry: job.Schedule{}, Unique: job.Waits, Work: job.InTx(
	func(ctx context.Context, tx pg.Tx, _ job.Job, args note) error {
		if args.Text == "wrong" || args.Text == "bad" {
			return errors.New("the text is " + args.Text)
		}
		return write(ctx, tx, args.Text)
	})}

// in runs a function in a transaction of the organization and returns its error.
func (o *office) in(do func(ctx context.Context, tx pg.Tx) error) error {
	ctx := context.Background()
	return o.App.InOrg(ctx, o.org, func(tx pg.Tx) error { return do(ctx, tx) })
}

func (o *office) redrive(jobID id.Job, args string) (before, after job.Info, err error) {
	err = o.in(func(ctx context.Context, tx pg.Tx) (err error) {
		var changed json.RawMessage
		if args != "" {
			changed = json.RawMessage(args)
		}
		before, after, err = job.Redrive(ctx, tx, o.r.Kinds, o.org, jobID, changed)
		return err
	})
	return before, after, err
}

// A dead job can be tried again, with corrected arguments. What has happened to it
// stays known.
func TestRedrive(t *testing.T) {
	t.Parallel()
	o := newOffice(t, picky)
	added := add(o, picky, note{"wrong"}, job.Options{By: "key_x"})
	o.drain()
	before, after, err := o.redrive(added, "")
	if err != nil || before.Status != job.Dead || after.Status != job.Pending || after.Attempts != 0 || after.CreatedBy != "key_x" {
		t.Errorf("%+v becomes %+v (%v)", before, after, err)
	}
	o.drain()
	if s := o.state(added); s != "dead" {
		t.Fatalf("with the same arguments it is %s", s)
	}
	if _, after, err = o.redrive(added, `{"text":"right"}`); err != nil || string(after.Args) != `{"text":"right"}` {
		t.Errorf("corrected to %s (%v)", after.Args, err)
	}
	var tries []struct {
		Code       string
		RedrivenAt *time.Time `json:"redriven_at"`
	}
	if err := json.Unmarshal(after.Tries, &tries); err != nil || len(tries) != 2 || tries[0].RedrivenAt == nil || tries[1].RedrivenAt == nil {
		t.Errorf("tries %s", after.Tries)
	}
	o.drain()
	if done := testkit.Value[string](t, o.Database, `SELECT tries::text FROM job_log`); strings.Count(done, "redriven_at") != 2 {
		t.Errorf("finished, its tries are %s", done)
	}
	if got := o.noted(); !slices.Equal(got, []string{"right"}) || o.state(added) != "succeeded" {
		t.Errorf("jobs wrote %q, it is %s", got, o.state(added))
	}
}

// What cannot be redriven, dropped or cancelled is refused, and says why.
func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t, picky, writing)
	isDead, done := add(o, picky, note{"wrong"}, job.Options{}), add(o, writing, note{"x"}, job.Options{})
	o.drain()
	waits := add(o, writing, note{"y"}, job.Options{})
	large := fmt.Sprintf(`{"text":"%s"}`, make([]byte, job.MaxArgs))
	for _, tt := range []struct {
		name string
		id   id.Job
		args string
		want error
	}{
		{"a job that waits", waits, "", job.ErrNotDead}, {"a finished job", done, "", job.ErrFinished},
		{"a job that is missing", id.New[id.Job](time.Now()), "", job.ErrNotFound}, {"too large", isDead, large, job.ErrArgsTooLarge},
	} {
		if _, _, err := o.redrive(tt.id, tt.args); !errors.Is(err, tt.want) {
			t.Errorf("redrive of %s: %v", tt.name, err)
		}
	}
	for _, args := range []string{`{"text":5}`, `{"txt":"x"}`, `[]`, `{`} {
		_, _, err := o.redrive(isDead, args)
		if f := fault.Of(err); f == nil || f.Kind != fault.Invalid || f.Fields[0].Name != "args" {
			t.Errorf("arguments %s: %v", args, err)
		}
	}
	other := o.NewOrg(t)
	o.InOrg(t, other, func(ctx context.Context, tx pg.Tx) error {
		if _, _, err := job.Redrive(ctx, tx, o.r.Kinds, other, isDead, nil); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("another organization redrives it: %v", err)
		}
		if _, err := job.Cancel(ctx, tx, other, waits, ""); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("another organization cancels it: %v", err)
		}
		return nil
	})
	for want, do := range map[error]func(ctx context.Context, tx pg.Tx) (job.Info, error){
		job.ErrNotDead:  func(ctx context.Context, tx pg.Tx) (job.Info, error) { return job.Drop(ctx, tx, o.org, waits, "no") },
		job.ErrIsDead:   func(ctx context.Context, tx pg.Tx) (job.Info, error) { return job.Cancel(ctx, tx, o.org, isDead, "no") },
		job.ErrFinished: func(ctx context.Context, tx pg.Tx) (job.Info, error) { return job.Cancel(ctx, tx, o.org, done, "no") },
	} {
		if err := o.in(func(ctx context.Context, tx pg.Tx) error { _, err := do(ctx, tx); return err }); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

// A dead job whose key has a waiting job merges into that one.
func TestRedriveMerges(t *testing.T) {
	t.Parallel()
	o := newOffice(t, picky)
	isDead := add(o, picky, note{"wrong"}, job.Options{Key: "k"})
	o.drain()
	waits := add(o, picky, note{"right"}, job.Options{Key: "k"})
	if _, after, err := o.redrive(isDead, ""); err != nil || after.Status != job.Merged {
		t.Errorf("it becomes %s (%v)", after.Status, err)
	}
	o.drain()
	if got := o.noted(); !slices.Equal(got, []string{"right"}) || o.state(waits) != "succeeded" {
		t.Errorf("jobs wrote %q", got)
	}
}

// A dropped job is finished, and its reason is kept.
func TestDrop(t *testing.T) {
	t.Parallel()
	o := newOffice(t, picky)
	isDead := add(o, picky, note{"wrong"}, job.Options{})
	o.drain()
	testkit.Must(t, o.in(func(ctx context.Context, tx pg.Tx) error {
		_, err := job.Drop(ctx, tx, o.org, isDead, "the customer has left")
		return err
	}))
	testkit.Must(t, o.in(func(ctx context.Context, tx pg.Tx) error {
		got, err := job.Get(ctx, tx, o.org, isDead)
		if got.Status != job.Dropped || got.Reason != "the customer has left" || got.LastError != "the text is wrong" {
			t.Errorf("%+v", got)
		}
		return err
	}))
}

// A job that waits is cancelled at once. One that runs ends soon; its work is undone.
func TestCancel(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	slow := job.Kind[note]{Name: "test.slow", Queue: job.High, Work: job.InTx(
		func(ctx context.Context, tx pg.Tx, _ job.Job, args note) error {
			err := write(ctx, tx, args.Text)
			close(begun)
			<-ctx.Done()
			return errors.Join(err, ctx.Err())
		})}
	o := newOffice(t, slow, writing)
	job.RenewEvery(o.r, 5*time.Millisecond)
	cancel := func(jobID id.Job, reason string) {
		t.Helper()
		testkit.Must(t, o.in(func(ctx context.Context, tx pg.Tx) error {
			_, err := job.Cancel(ctx, tx, o.org, jobID, reason)
			return err
		}))
	}
	says := func(jobID id.Job) (reason string) {
		t.Helper()
		testkit.Must(t, o.in(func(ctx context.Context, tx pg.Tx) error {
			got, err := job.Get(ctx, tx, o.org, jobID)
			reason = got.Reason
			return err
		}))
		return reason
	}
	for _, opts := range []job.Options{{}, {Delay: time.Hour}} {
		waits := add(o, writing, note{"never"}, opts)
		cancel(waits, "not needed")
		if s := o.state(waits); s != "cancelled" || says(waits) != "not needed" {
			t.Errorf("a job that waits is %s, because of %q", s, says(waits))
		}
	}
	runs := add(o, slow, note{"never"}, job.Options{})
	claims, done := o.claim(o.r), make(chan []string)
	go func() { done <- o.do(o.r, claims...) }()
	<-begun
	cancel(runs, "the customer has left")
	cancel(runs, "") // the first one counts
	if got := <-done; !slices.Equal(got, []string{"cancelled"}) || o.state(runs) != "cancelled" || len(o.noted()) != 0 {
		t.Errorf("the running job ended as %q and is %s; jobs wrote %q", got, o.state(runs), o.noted())
	}
	if got := says(runs); got != "the customer has left" {
		t.Errorf("the running job was cancelled because of %q", got)
	}
}

// A cancelled job whose runner died, or whose try fails, is not tried again.
func TestCancelOfAJobThatFails(t *testing.T) {
	t.Parallel()
	kind := failing(errors.New("no luck"))
	o := newOffice(t, kind)
	for _, crashes := range []bool{false, true} {
		added := add(o, kind, note{}, job.Options{})
		claims := o.claim(o.r)
		testkit.Must(t, o.in(func(ctx context.Context, tx pg.Tx) error {
			_, err := job.Cancel(ctx, tx, o.org, added, "enough")
			if got, failed := job.Get(ctx, tx, o.org, added); failed != nil || got.Reason != "enough" {
				t.Errorf("crashes %v: while it runs it is to end because of %q, %v", crashes, got.Reason, failed)
			}
			return err
		}))
		if crashes {
			o.Advance(t, job.LeaseFor+time.Second)
			claims = o.claim(o.r)
		}
		o.do(o.r, claims...)
		reason := testkit.Value[string](t, o.Database, `SELECT coalesce(max(reason), '') FROM job_log WHERE id = $1`, added)
		if s := o.state(added); s != "cancelled" || reason != "enough" {
			t.Errorf("crashes %v: it is %s, because of %q", crashes, s, reason)
		}
	}
}

// Jobs are listed by status, kind and fingerprint, the newest first, and dead ones
// are grouped by the way in which they failed.
func TestList(t *testing.T) {
	t.Parallel()
	o, ctx := newOffice(t, picky, writing), context.Background()
	wrong := add(o, picky, note{"wrong"}, job.Options{})
	again := add(o, picky, note{"wrong"}, job.Options{})
	bad := add(o, picky, note{"bad"}, job.Options{})
	done := add(o, writing, note{"done"}, job.Options{})
	o.drain()
	later := add(o, writing, note{"later"}, job.Options{Delay: time.Hour})
	waits := add(o, writing, note{"waits"}, job.Options{})
	groups, read, err := job.ListGroups(ctx, o.App, job.Filter{}, nil)
	if err != nil || read != nil || len(groups) != 2 || groups[0].Jobs != 2 || groups[0].Organizations != 1 || groups[0].LastError != "the text is wrong" ||
		groups[0].Oldest != wrong || groups[0].Newest != again || groups[0].FirstAt.IsZero() || groups[0].LastAt.Before(groups[0].FirstAt) {
		t.Fatalf("groups %+v (%v)", groups, err)
	}
	other := o.NewOrg(t)
	for _, tt := range []struct {
		name   string
		filter job.Filter
		want   []id.Job
	}{
		{"what has not finished", job.Filter{}, []id.Job{waits, later, bad, again, wrong}},
		{"dead", job.Filter{Status: job.Dead}, []id.Job{bad, again, wrong}},
		{"a fingerprint", job.Filter{Fingerprint: groups[0].Fingerprint}, []id.Job{again, wrong}},
		{"a kind", job.Filter{Kinds: []string{writing.Name}}, []id.Job{waits, later}},
		{"scheduled", job.Filter{Status: job.Scheduled}, []id.Job{later}},
		{"succeeded", job.Filter{Status: job.Succeeded}, []id.Job{done}},
		{"a page", job.Filter{Before: again}, []id.Job{wrong}},
		{"an organization", job.Filter{Org: &o.org, Status: job.Pending}, []id.Job{waits}},
		{"another organization", job.Filter{Org: &other}, nil},
		{"the platform", job.Filter{Org: &id.Org{}}, nil},
	} {
		list, err := job.List(ctx, o.Worker, tt.filter, 10)
		testkit.Must(t, err)
		var got []id.Job
		for _, i := range list {
			got = append(got, i.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
