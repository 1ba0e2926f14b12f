package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// statements are those whose cost must not grow with history, each with words by
// which it is recognised in the log. Postgres logs the statements of the real
// functions, so these are measured and explained.
var statements = []struct {
	name, words string
	rare        bool // not in every round, only when plans are asked for
}{
	{"claim", "OR l.open_until IS NOT NULL) AS restricted", false},
	{"look for what is due", "SELECT org_id, endpoint_id, interval '0' FROM lane", false},
	{"when is anything due next", "SELECT min(at), (SELECT now FROM moment) FROM lane", false},
	{"load endpoints", "JOIN webhook_secret s", true},
	{"complete", "status = CASE r.status WHEN 'expired'", false},
	{"let the next of an ordering key go", ") head", true},
	{"enqueue with an ordering key", "CASE WHEN row_number() OVER", true},
	{"enqueue", "INSERT INTO webhook_delivery", false},
	{"list deliveries", "AS last_answer FROM (", false},
	{"list events", "NULL::bytea AS payload FROM (", false},
}

// logStatements configures Postgres to write a machine-readable log from its
// next start.
func (b *bench) logStatements(ctx context.Context) error {
	if err := b.setPostgres(ctx, map[string]string{
		"logging_collector": "on", "log_destination": "csvlog", "log_directory": "log", "log_filename": "bench.log",
		"log_rotation_age": "0", "log_rotation_size": "0", "session_preload_libraries": "auto_explain",
	}); err != nil {
		return err
	}
	return b.restartPostgres()
}

// countStatements restarts Postgres so that pg_stat_statements counts them.
func (b *bench) countStatements(ctx context.Context) error {
	if err := b.setPostgres(ctx, map[string]string{"shared_preload_libraries": "pg_stat_statements"}); err != nil {
		return err
	}
	if err := b.restartPostgres(); err != nil {
		return err
	}
	_, err := b.db.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS pg_stat_statements`)
	return err
}

// setPostgres changes settings; those that need no restart take effect at once.
func (b *bench) setPostgres(ctx context.Context, settings map[string]string) error {
	for name, value := range settings {
		if _, err := b.db.Exec(ctx, `ALTER SYSTEM SET `+name+` = '`+value+`'`); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	_, err := b.db.Exec(ctx, `SELECT pg_reload_conf()`)
	return err
}

// readLog returns the log messages of all the functions' statements that ran
// before the call.
func (b *bench) readLog(ctx context.Context) (messages []string, err error) {
	mark := fmt.Sprintf("bench reads until here: %d", time.Now().UnixNano())
	if _, err := b.db.Exec(ctx, `DO $$ BEGIN RAISE LOG '`+mark+`'; END $$`); err != nil {
		return nil, err
	}
	for {
		var text string
		if err := b.db.QueryRow(ctx, `SELECT pg_read_file('log/bench.csv')`).Scan(&text); err != nil {
			return nil, err
		}
		if !strings.Contains(text, mark) {
			continue // the collector has not written it yet
		}
		r := csv.NewReader(strings.NewReader(text))
		r.FieldsPerRecord = -1 // the marker may be followed by half a line
		for {
			fields, err := r.Read()
			if err != nil || len(fields) < 14 || strings.Contains(fields[13], mark) {
				return messages, err
			}
			if user := fields[1]; user == "portico_worker" || user == "portico_app" {
				messages = append(messages, fields[13])
			}
		}
	}
}

// sample is one execution of a statement.
type sample struct {
	took time.Duration
	plan string // "" unless it was asked for
}

// samples reads "duration: 0.303 ms  execute …: text", and with auto_explain
// "duration: 0.303 ms  plan:\nQuery Text: text\nplan", by statement. A duration
// includes neither parsing, nor planning, nor the commit.
func samples(messages []string) map[string][]sample {
	all := map[string][]sample{}
	for _, m := range messages {
		rest, timed := strings.CutPrefix(m, "duration: ")
		number, rest, _ := strings.Cut(rest, " ms  ")
		ms, err := strconv.ParseFloat(number, 64)
		s := sample{took: time.Duration(ms * float64(time.Millisecond))}
		switch {
		case !timed || err != nil:
			continue
		case strings.HasPrefix(rest, "plan:"):
			s.plan = planOf(rest)
		case !strings.HasPrefix(rest, "execute "):
			continue // parsing or planning
		}
		for _, statement := range statements {
			if strings.Contains(rest, statement.words) {
				all[statement.name] = append(all[statement.name], s)
				break
			}
		}
	}
	return all
}

var (
	estimates = regexp.MustCompile(`\(cost=[^)]*\) ?`)
	nothing   = regexp.MustCompile(`never executed|on \w+_20\d\d_\d\d .*rows=0 `)
	target    = regexp.MustCompile(`^ *(Update|Insert) on \w+_20\d\d_\d\d`)
	buffers   = regexp.MustCompile(`Buffers: shared hit=(\d+)`)
)

// planOf drops the statement's text, the estimates, and the steps that were not
// taken or found nothing in a partition.
func planOf(text string) string {
	var out strings.Builder
	begun, below := false, -1 // the indent of what is dropped with all below it
	for line := range strings.Lines(text) {
		begun = begun || strings.Contains(line, "  (cost=")
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if below >= 0 && indent <= below {
			below = -1
		}
		if below < 0 && nothing.MatchString(line) {
			below = indent
		}
		if begun && below < 0 && !target.MatchString(line) {
			out.WriteString(estimates.ReplaceAllString(line, ""))
		}
	}
	return strings.TrimRight(out.String(), "\n")
}

// read is how many buffers the execution read.
func (s sample) read() int {
	if first := buffers.FindStringSubmatch(s.plan); first != nil {
		n, _ := strconv.Atoi(first[1]) // digits
		return n
	}
	return 0
}
