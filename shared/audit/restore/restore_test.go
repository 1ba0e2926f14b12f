package restore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"portico/shared/audit/anchor"
	"portico/shared/audit/restore"
	"portico/shared/pg"
	"portico/shared/testkit"
)

const empty = `DELETE FROM audit_target; DELETE FROM audit_entry; DELETE FROM audit_chain; DELETE FROM audit_unchained; DELETE FROM audit_head`

// From the archive the log is restored into empty tables: all of an entry but its
// personal fields. It verifies, and goes on with the next number.
func TestEmptyTables(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(3)
	f.archive()
	f.write(2)
	f.archive()
	f.archived(5)
	f.damage(`UPDATE audit_entry SET actor_name = NULL, source_ip = NULL, user_agent = '', salt = NULL`)
	before := f.content()
	f.damage(empty)
	if done := f.restore(); done.First != 1 || done.Last != 5 || done.Waiting != 0 || done.Verified != 5 || done.Erased != 5 || done.Database != pg.Home {
		t.Errorf("%+v", done)
	}
	f.damage(`DELETE FROM audit_entry WHERE action = 'audit_log.restore'`)
	if after := f.content(); after != before {
		t.Errorf("restored:\n%s\nwant\n%s", after, before)
	}
	f.write(1)
	f.archive()
	f.archived(6)
	f.whole(6, 5)
	if done := f.restore(); done.First != 0 || done.Verified != 6 {
		t.Errorf("nothing was missing: %+v", done)
	}
}

// The database was set back into the middle of an object. The entries that it has got
// since keep everything and get new numbers; what the archive has gets its own again,
// with its personal fields if the entry is there. The restore is in the platform's log.
func TestSetBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(3)
	f.archive()
	f.write(3)
	f.archive()
	f.archived(6)
	f.setBack(4, 3, "6")
	f.write(3)
	f.archive()
	f.archived(6)
	if number := testkit.Value[int](t, f.Database, `SELECT number FROM audit_head WHERE org_id = $1`, f.org); number != 8 {
		t.Fatalf("the chain ends at %d", number)
	}
	if done := f.restore(); done.First != 5 || done.Last != 6 || done.Waiting != 3 || done.Verified != 6 || done.Erased != 1 {
		t.Errorf("%+v", done)
	}
	f.sequence()
	f.whole(9, 1)
	f.archive()
	f.archived(9)
	after := testkit.Value[string](t, f.Database, `SELECT targets || ' ' || after FROM audit_entry WHERE action = 'audit_log.restore'`)
	if want := fmt.Sprintf(`[{"type":"organization","id":%q}] {"database":"home","first":5,"last":6,"waiting":3}`, f.org); after != want {
		t.Errorf("recorded %s, want %s", after, want)
	}
	if n := testkit.Value[int](t, f.Database, `SELECT count(*) FROM audit_chain c JOIN audit_entry e ON e.id = c.entry_id WHERE e.action = 'audit_log.restore'`); n != 1 {
		t.Error("the entry about it is not chained")
	}
}

// A restore is killed at any point. The chain is whole then, the sequencer leaves it
// alone, and the next restore ends with the same as one that was not killed.
func TestRestoreSurvivesKills(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill(1, 2300)
	f.archive()
	f.archived(2300)
	for kill := 1; ; kill++ {
		f.setBack(100, 0, "0")
		f.fill(1+kill, 1100)
		r, passed, killed := f.restorer(), 0, ""
		r.Progress = func(string, ...any) {}
		r.Crash = func(point string) {
			if passed++; passed == kill {
				killed = point
				panic(killed)
			}
		}
		func() {
			defer func() { _ = recover() }()
			_, err := r.Log(context.Background(), anchor.Log{Org: f.org}, 0)
			testkit.Must(t, err)
		}()
		if killed != "" && killed != "finished" {
			head := testkit.Value[int64](t, f.Database, `SELECT number FROM audit_head WHERE org_id = $1`, f.org)
			f.sequence()
			f.whole(head, testkit.Value[int64](t, f.Database, `SELECT count(*) FROM audit_entry WHERE salt IS NULL`))
		}
		if done := f.restore(); killed != "" && killed != "finished" && (done.First != 101 || done.Last != 2300) {
			t.Errorf("killed at %s: %+v", killed, done)
		}
		f.whole(2300, 2200)
		f.sequence()
		f.whole(3400, 2200)
		if killed == "" {
			if passed < 12 {
				t.Errorf("a restore has only %d points", passed)
			}
			return
		}
	}
}

// What the archive has must be as it was written. Otherwise the restore says which object
// is not, and changes nothing.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(3)
	f.archive()
	f.write(3)
	f.archive()
	f.setBack(2, 0, "0")
	before := f.content()
	first, second := f.key(1), f.key(4)
	for name, tt := range map[string]struct {
		do  func()
		say string
	}{
		"missing":               {func() { f.remove(second) }, second + " of the archive: bucket: there is no such object"},
		"the first is missing":  {func() { f.remove(first) }, first + " of the archive: bucket: there is no such object"},
		"altered":               {func() { f.rewrite(second, `"role.update"`, `"role.delete"`) }, second + " of the archive: archive: the chain differs"},
		"cut off":               {func() { f.rewrite(second, `"format":1`, `"format":0`) }, second},
		"an entry is left out":  {func() { f.rewrite(first, `{"number":3,`, `{"number":4,`) }, first},
		"no object at all":      {func() { f.put(second, []byte("x")) }, second},
		"another one's":         {func() { f.put(second, f.object(first)) }, second + " of the archive: archive: the chain differs from the archive: it begins with the entry 1"},
		"of the anchor's entry": {func() { f.moveAnchor() }, "does not end with the entry"},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := f.object(first), f.object(second)
			at, err := f.anchors.Read(context.Background(), anchor.Log{Org: f.org})
			testkit.Must(t, err)
			tt.do()
			_, err = f.restorer().Log(context.Background(), anchor.Log{Org: f.org}, 0)
			if err == nil || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("%v, want %q", err, tt.say)
			}
			if after := f.content(); after != before {
				t.Errorf("it has changed something:\n%s\nwas\n%s", after, before)
			}
			f.put(first, one)
			f.put(second, two)
			f.setAnchor(at)
		})
	}
	if done := f.restore(); done.First != 3 || done.Last != 6 {
		t.Errorf("%+v", done)
	}
}

// The first objects were deleted after their locks had ended: the operator says where the
// others begin, and the log begins there.
func TestFrom(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(3)
	f.archive()
	f.write(3)
	f.archive()
	f.damage(empty)
	f.remove(f.key(1))
	r, ctx := f.restorer(), context.Background()
	if _, err := r.Log(ctx, anchor.Log{Org: f.org}, 0); err == nil || !strings.Contains(err.Error(), `as "from"`) {
		t.Error(err)
	}
	f.write(1) // a new chain
	done, err := r.Log(ctx, anchor.Log{Org: f.org}, 4)
	if err != nil || done.First != 4 || done.Last != 6 || done.Verified != 3 || done.Fault != nil || done.Waiting != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	f.sequence()
	f.whole(4, 3)
	f.archive()
	f.archived(7)
}

// Run refuses what is no command, and restores all logs of a database.
func TestRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(3)
	f.archive()
	f.setBack(1, 0, "0")
	other := f.org
	f.org = f.NewOrg(t) // without an archive
	r := f.restorer()
	run := func(payload string) ([]restore.Restored, error) { return r.Run(context.Background(), []byte(payload)) }
	for payload, say := range map[string]string{
		`[]`: "not JSON such as", `{}`: "name one of", `{"organization":"x"}`: "unknown field", `{"organization_id":"x"}`: "organization_id",
		`{"organization_id":"` + f.org.String() + `","from":-1}`: "from", `{"database":"berlin"}`: "berlin", `{"platform":"berlin"}`: "berlin",
		`{"organization_id":"` + f.org.String() + `"}`: "the archive has no entry of this log", `{"database":"home","from":3}`: "may have a from",
		`{"organization_id":"org_01jdf3z9k2e4nv6xq8r0s1t2v3"}`: "no entry of this log",
	} {
		if _, err := run(payload); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want %q", payload, err, say)
		}
	}
	f.Place(t, other, "left", "acme")
	if _, err := run(`{"organization_id":"` + other.String() + `"}`); err == nil || !strings.Contains(err.Error(), "no such organization") {
		t.Error(err)
	}
	f.Exec(t, `DELETE FROM placement`)
	list, err := run(`{"database":"home"}`)
	if err != nil || len(list) != 1 || list[0].Log != other.String() || list[0].First != 2 || list[0].Last != 3 {
		t.Errorf("%+v, %v", list, err)
	}
	f.sequence()
	f.archive()
	f.damage(`DELETE FROM audit_target; DELETE FROM audit_entry WHERE org_id = '00000000-0000-0000-0000-000000000000'`)
	if list, err = run(`{"platform":"home"}`); err != nil || list[0].First != 0 || list[0].Fault == nil || list[0].Fault.Kind != "deleted" {
		t.Errorf("only the end is compared: %+v, %v", list, err)
	}
	list, err = run(`{"platform":"home","from":1}`)
	if err != nil || len(list) != 1 || list[0].First != 1 || list[0].Last != 1 || list[0].Log != "platform-home" {
		t.Errorf("%+v, %v", list, err)
	}
}
