package e2e

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"portico/shared/id"
	"portico/shared/testkit"
)

// compare compares everything that has a log's entries.
func (l *soakLog) compare() {
	table := l.a.table(l.database, l.org)
	other := map[string]string{"home": "acme", "acme": "home"}[l.database]
	if left := l.a.table(other, l.org); len(left) > 0 {
		l.t.Errorf("%s: %d entries are in the other database, too", l.org, len(left))
	}
	l.compareTable(table)
	chain := chainOf(l.t, table)
	same(l.t, l.org.String()+": the archive", l.a.archived(l.org.String()), chain)
	l.compareStream(chain)
	l.verify(len(chain))
	l.t.Logf("%s: %d entries, %d changes, %d reads, %d refused attempts", l.org, len(chain), len(l.changes), len(l.reads), l.refused)
}

// compareTable checks that each change has one entry and nothing else has one, each read
// has one, and all refused attempts are recorded or counted.
func (l *soakLog) compareTable(table []tabled) {
	changes, requests, recorded := map[string]bool{}, map[string]int{}, 0
	for _, e := range table {
		requests[e.Request]++
		change := e.Action + " " + e.Target
		switch {
		case e.Action == "refusal.count":
			recorded += e.Attempts
		case e.Outcome == "failure":
			recorded++
		case e.Category == "access":
		case changes[change]:
			l.t.Errorf("%s: %s has two entries", l.org, change)
		case !l.changes[change]:
			l.t.Errorf("%s: %s has an entry, and nobody did it", l.org, change)
		}
		changes[change] = true
	}
	for change := range l.changes {
		if !changes[change] {
			l.t.Errorf("%s: %s has no entry", l.org, change)
		}
	}
	for _, request := range l.reads {
		if requests[request] != 1 {
			l.t.Errorf("%s: the read %s has %d entries", l.org, request, requests[request])
		}
	}
	if lost := strings.Count(l.a.Log.String(), "refusal_not_recorded"); recorded+lost < l.refused || recorded > l.tried {
		l.t.Errorf("%s: %d refused attempts are recorded and %d in the logs, of %d to %d", l.org, recorded, lost, l.refused, l.tried)
	}
}

// chainOf returns the chain: each entry has one place, and the numbers have no gaps.
func chainOf(t *testing.T, table []tabled) (chain []soakEntry) {
	for i, e := range table {
		if e.Number != int64(i+1) || e.Action == "" {
			t.Errorf("place %d: %+v", i+1, e)
		}
		chain = append(chain, e.soakEntry)
	}
	return chain
}

// same compares two copies of a log, entry by entry.
func same(t *testing.T, what string, got, want []soakEntry) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s has %d entries, want %d", what, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("%s has %+v, want %+v", what, got[i], want[i])
			return
		}
	}
}

// compareStream checks that the server has accepted every entry, and that whatever it got
// of a number was the same entry.
func (l *soakLog) compareStream(chain []soakEntry) {
	s := l.a.siem
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.got[l.org.String()] {
		if e.Number < 1 || e.Number > int64(len(chain)) || e != chain[e.Number-1] {
			l.t.Errorf("%s: the stream has sent %+v, which is not in the chain", l.org, e)
		}
	}
	for _, e := range chain {
		if !s.sure[l.org.String()][e.Number] && e.Number > l.before {
			l.t.Errorf("%s: entry %d has not arrived", l.org, e.Number)
		}
	}
	if s.killed == 0 {
		l.t.Error("no sender was killed while the server had its batch")
	}
}

// verify asks the API.
func (l *soakLog) verify(entries int) {
	verified := 0
	for from := int64(1); ; {
		var v struct {
			Head     struct{ Number int }
			Archive  struct{ Status string }
			Verified int
			Fault    any
			Next     *int64
		}
		l.Do("GET", fmt.Sprintf("/v1/audit-log/verify?from=%d", from), "", http.StatusOK, &v)
		verified += v.Verified
		if v.Fault != nil || v.Archive.Status != "matches" || v.Head.Number != entries {
			l.t.Errorf("%s: verifying says %+v, want %d entries", l.org, v, entries)
		}
		if v.Next == nil {
			break
		}
		from = *v.Next
	}
	if verified != entries {
		l.t.Errorf("%s: %d of %d entries are verified", l.org, verified, entries)
	}
}

// comparePlatform compares what the platform's log of each database has.
func (a *auditSoak) comparePlatform() {
	moves := 0
	for _, database := range []string{"home", "acme"} {
		table := a.table(database, id.Org{})
		same(a.t, "the archive of the platform in "+database, a.archived("platform-"+database), chainOf(a.t, table))
		for _, e := range table {
			if e.Action == "organization.move" {
				moves++
			}
		}
	}
	if moves < 3 {
		a.t.Errorf("the platform's log has %d moves", moves)
	}
}

// export exports a log, which is verified offline against the end of the archive, and has
// all entries of the chain.
func (l *soakLog) export() {
	archived := l.a.archived(l.org.String())
	for _, format := range []string{"csv", "ndjson"} {
		var export struct{ ID, Status string }
		l.Do("POST", "/v1/audit-exports", `{"format":"`+format+`"}`, http.StatusCreated, &export)
		testkit.Await(l.t, "the export", func() bool {
			l.Do("GET", "/v1/audit-exports/"+export.ID, "", http.StatusOK, &export)
			return export.Status == "succeeded"
		})
		texts := l.a.objects("ExportBucket", l.org.String()+"/"+export.ID)
		if len(texts) != 1 {
			l.t.Fatalf("%d files of the export %s", len(texts), export.ID)
		}
		l.compareExport(format, texts[0], archived)
	}
}

func (l *soakLog) compareExport(format string, text []byte, archived []soakEntry) {
	var got []soakEntry
	want := slices.Clone(archived)
	if format == "csv" {
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		testkit.Must(l.t, err)
		for i, row := range rows[1:] {
			number, err := strconv.ParseInt(row[0], 10, 64)
			testkit.Must(l.t, err)
			got = append(got, soakEntry{number, row[1], ""})
			if i < len(want) {
				want[i].Hash = ""
			}
		}
	} else {
		for line := range bytes.Lines(text) {
			var e soakEntry
			testkit.Must(l.t, json.Unmarshal(line, &e))
			got = append(got, e)
		}
		l.verifyOffline(text, archived[len(archived)-1])
	}
	// The entries about this export, and of its reads, are younger than the archive.
	same(l.t, l.org.String()+": the export as "+format, got[:min(len(got), len(want))], want)
}

// verifyOffline verifies an export with the command, against the end of the archive.
func (l *soakLog) verifyOffline(text []byte, head soakEntry) {
	file := filepath.Join(l.t.TempDir(), "audit.ndjson")
	testkit.Must(l.t, os.WriteFile(file, text, 0o600))
	newCommand(l.t, l.customer, l.a.Stack).run("audit", "verify", file, "--head", fmt.Sprintf("%d:%s", head.Number, head.Hash))
}
