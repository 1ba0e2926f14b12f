package jobtest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"portico/shared/testkit"
)

// state is what a run leaves: rows of the database and what happened outside, as
// sorted lines.
type state []string

func (s state) diff(other state) string { return cmp.Diff(s, other) }

// varying matches what differs from run to run: ids, times, binary values, and the
// revisions of endpoints.
var varying = regexp.MustCompile(`"revision": \d+|\\\\x[0-9a-f]+|\b[a-z]+_[0-9a-hjkmnp-tv-z]{26}\b|[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:?\d\d)`)

// end reads how a world ends. Of the tables of jobs only what a repetition may not
// change counts: how often a job was tried is no effect of it.
func end(w *World) state {
	w.T.Helper()
	tables := testkit.Value[[]string](w.T, w.Database, `
		SELECT array_agg(relname::text ORDER BY relname) FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
			AND relname NOT IN ('job', 'job_log', 'job_stat', 'job_throttle', 'clock', 'dispatcher', 'goose_db_version')`)
	queries := map[string]string{
		"job":     `SELECT kind, status, args, error_code FROM job`,
		"job_log": `SELECT kind, outcome, args FROM job_log`,
	}
	for _, table := range tables {
		queries[table] = `SELECT * FROM ` + table
	}
	var s state
	for _, table := range slices.Sorted(maps.Keys(queries)) {
		for _, row := range testkit.Value[[]string](w.T, w.Database, `SELECT coalesce(array_agg(to_jsonb(r)::text), '{}') FROM (`+queries[table]+`) r`) {
			s = append(s, table+" "+varying.ReplaceAllString(row, "#"))
		}
	}
	for key, value := range w.Outside {
		s = append(s, varying.ReplaceAllString(fmt.Sprintf("outside %s: %s", key, value), "#"))
	}
	slices.SortFunc(s, strings.Compare)
	return s
}
