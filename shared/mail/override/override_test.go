package override_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portico/shared/fault"
	"portico/shared/mail/override"
	"portico/shared/mail/template"
	"portico/shared/pg"
	"portico/shared/testkit"
)

var (
	german = override.Variant{Template: "member_added", Locale: "de"}
	ada    = override.Author{ID: "staff_1", Name: "Ada"}
)

// desk is a database whose overrides a test writes.
type desk struct {
	*testkit.Database
	t  *testing.T
	tx pg.Querier
}

func newDesk(t *testing.T) *desk {
	d := testkit.DB(t)
	return &desk{d, t, d.App.Shared()}
}

func (d *desk) save(subject string) int {
	d.t.Helper()
	v, err := override.Insert(context.Background(), d.tx, override.Version{Variant: german, By: ada, Note: "n", Source: text(subject)})
	testkit.Must(d.t, err)
	return v.Number
}

func text(subject string) template.Source {
	return template.Source{Subject: subject, HTML: "<p>" + subject + "</p>", Text: subject}
}

func (d *desk) current() override.Publication {
	d.t.Helper()
	p, err := override.Current(context.Background(), d.tx, german)
	testkit.Must(d.t, err)
	return p
}

func (d *desk) publish(version int) {
	d.t.Helper()
	_, err := override.Publish(context.Background(), d.tx, d.current(), version, ada)
	testkit.Must(d.t, err)
}

// Versions are numbered for each template and language and kept as they were
// written.
func TestVersions(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), context.Background()
	for i, subject := range []string{"a", "b", "c"} {
		if n := d.save(subject); n != i+1 {
			t.Errorf("%s has the number %d", subject, n)
		}
	}
	english, err := override.Insert(ctx, d.tx, override.Version{Variant: override.Variant{Template: "member_added", Locale: "en"}, By: ada, Source: text("x")})
	if err != nil || english.Number != 1 {
		t.Errorf("%+v, %v", english, err)
	}
	got, err := override.Get(ctx, d.tx, german, 2)
	want := override.Version{Variant: german, Number: 2, CreatedAt: got.CreatedAt, By: ada, Note: "n", Source: text("b")}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := override.Get(ctx, d.tx, german, 4); !errors.Is(err, override.ErrNoVersion) {
		t.Error(err)
	}
	list, err := override.List(ctx, d.tx, german, 3, 10)
	if err != nil || len(list) != 2 || list[0].Number != 2 || list[0].Source != (template.Source{}) {
		t.Errorf("%+v, %v", list, err)
	}
}

// Several people who save at the same time get numbers of their own.
func TestSavingAtTheSameTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { d.save("x") })
	}
	all.Wait()
	if n := testkit.Value[int](t, d.Database, `SELECT count(*) FROM mail_template_override`); n != 3 {
		t.Errorf("%d versions", n)
	}
}

// Rolling back goes back through what was published, at last to the repository's
// template. What was rolled back may be published again.
func TestPublishAndRollBack(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), context.Background()
	if _, err := override.RollBack(ctx, d.tx, d.current(), ada); !errors.Is(err, override.ErrNothing) {
		t.Errorf("nothing was published: %v", err)
	}
	for _, subject := range []string{"1", "2", "3"} {
		d.save(subject)
	}
	var seen []int
	back := func() {
		_, err := override.RollBack(ctx, d.tx, d.current(), ada)
		testkit.Must(t, err)
		seen = append(seen, d.current().Version)
	}
	d.publish(1)
	d.publish(2)
	d.publish(2) // changes nothing
	d.publish(3)
	back() // to 2
	back() // to 1
	d.publish(3)
	seen = append(seen, d.current().Version)
	back() // to 1
	back() // to the repository's
	if diff := cmp.Diff([]int{2, 1, 3, 1, 0}, seen); diff != "" {
		t.Error(diff)
	}
	if _, err := override.RollBack(ctx, d.tx, d.current(), ada); !errors.Is(err, override.ErrNothing) {
		t.Errorf("all was rolled back: %v", err)
	}
	list, err := override.Publications(ctx, d.tx, german, 100)
	if err != nil || len(list) != 8 || list[7].Version != 1 || list[7].By != ada {
		t.Errorf("%d publications, %v", len(list), err)
	}
	all, err := override.AllCurrent(ctx, d.tx)
	if err != nil || len(all) != 1 || all[german].Number != 8 {
		t.Errorf("%+v, %v", all, err)
	}
}

// Of two who publish at the same time one is told that the other was faster.
func TestPublishingAtTheSameTime(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), context.Background()
	d.save("1")
	d.save("2")
	seen := d.current()
	_, err := override.Publish(ctx, d.tx, seen, 1, ada)
	testkit.Must(t, err)
	if _, err := override.Publish(ctx, d.tx, seen, 2, ada); !errors.Is(err, override.ErrMeanwhile) {
		t.Errorf("%v", err)
	}
	if v := d.current().Version; v != 1 {
		t.Errorf("version %d is published", v)
	}
}

// Nobody changes or removes what was saved or published.
func TestAppendOnly(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.save("1")
	d.publish(1)
	for _, role := range []string{"portico_app", "portico_worker"} {
		session := d.Session(t, role)
		for _, sql := range []string{`UPDATE %s SET template = template`, `DELETE FROM %s`, `TRUNCATE %s`} {
			for _, table := range []string{"mail_template_override", "mail_template_publication"} {
				_, err := session.Exec(context.Background(), fmt.Sprintf(sql, table))
				if state := new(pgconn.PgError); !errors.As(err, &state) || state.Code != "42501" {
					t.Errorf("%s: "+sql+": %v", role, table, err)
				}
			}
		}
	}
}

// counted counts queries, and can be away.
type counted struct {
	pg.Querier
	queries int
	away    bool
}

var errAway = errors.New("the database is away")

func (c *counted) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if c.queries++; c.away {
		return nil, errAway
	}
	return c.Querier.Query(ctx, sql, args...)
}

// A sender asks once in a while what is published, and for the text of a version
// once. While the home database is away, what was last known is in force; a sender
// that knows nothing yet waits.
func TestPublished(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), context.Background()
	set, err := template.Repository()
	testkit.Must(t, err)
	home := &counted{Querier: d.tx, away: true}
	p := &override.Published{Home: home, Set: set, Clock: d.Clock}
	get := func(want int) {
		t.Helper()
		o, number, why, err := p.Get(ctx, german)
		if number != want || (o != nil) != (want > 0) || why != nil || err != nil {
			t.Errorf("version %d, want %d; %v, %v", number, want, why, err)
		}
	}
	if _, _, _, err := p.Get(ctx, german); fault.Of(err) == nil || fault.Of(err).Kind != fault.Unavailable {
		t.Errorf("away from the start: %v", err)
	}
	home.away = false
	get(0)
	d.save("Hallo")
	d.save("Guten Tag")
	d.publish(1)
	get(0) // remembered
	d.Advance(t, override.Fresh)
	home.queries = 0
	get(1)
	get(1)
	d.publish(2)
	d.Advance(t, override.Fresh)
	get(2)
	home.away = true
	d.Advance(t, override.Fresh)
	get(2)
	if home.queries != 3 {
		t.Errorf("%d queries", home.queries)
	}
	home.away = false
	_, err = override.RollBack(ctx, d.tx, d.current(), ada)
	testkit.Must(t, err)
	_, err = override.RollBack(ctx, d.tx, d.current(), ada)
	testkit.Must(t, err)
	d.Advance(t, override.Fresh)
	get(0)
	if o, err := p.Version(ctx, german, 2); err != nil || o == nil {
		t.Errorf("a version that is not published: %v", err)
	}
	if _, err := p.Version(ctx, german, 9); !errors.Is(err, override.ErrNoVersion) {
		t.Errorf("a version that is not there: %v", err)
	}
}

// A published version that the rules no longer allow is not used.
func TestPublishedButBroken(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	set, err := template.Repository()
	testkit.Must(t, err)
	d.Exec(t, `INSERT INTO mail_template_override VALUES ('member_added', 'de', 1, portico_now(), 's', 's', '', 'x', '{{range 1000000000}}{{end}}', 'x')`)
	d.publish(1)
	p := &override.Published{Home: d.tx, Set: set, Clock: d.Clock}
	o, number, why, err := p.Get(context.Background(), german)
	if o != nil || number != 1 || why == nil || err != nil {
		t.Errorf("%v %d %v %v", o, number, why, err)
	}
}

// A difference has all lines of both texts, in order.
func TestDiff(t *testing.T) {
	t.Parallel()
	show := func(from, to string) (shown string) {
		for _, l := range override.Diff(strings.ReplaceAll(from, " ", "\n"), strings.ReplaceAll(to, " ", "\n")) {
			shown += " " + l.Change + l.Text
		}
		return strings.TrimSpace(shown)
	}
	for _, tt := range [][3]string{
		{"a b c", "a b c", "a b c"},
		{"a b c", "a x c", "a -b +x c"},
		{"a b c", "a c", "a -b c"},
		{"a c", "a b c", "a +b c"},
		{"a b c d e", "a c x e f", "a -b c -d +x e +f"},
		{"a", "b", "-a +b"},
	} {
		if got := show(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s → %s: %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
	long := func(line string) string { return "first\n" + strings.Repeat(line+"\n", 5_000) + "last" }
	if lines := override.Diff(long("a"), long("b")); len(lines) != 10_002 || lines[1].Change != "-" || lines[10_000].Change != "+" {
		t.Errorf("%d lines", len(lines))
	}
}
