package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portico/infra/portico/client"
	"portico/infra/portico/terminal"
	"portico/shared/jsontext"
)

const (
	// tailEvery is how often tail looks for new entries.
	tailEvery = 2 * time.Second
	// tailBack is how far back tail looks each time: an entry is seen only when its
	// change has been committed, which may be after younger ones.
	tailBack = 30 * time.Second
)

func (a *app) tail() *cobra.Command {
	filters := entryFilters()
	var lines int
	cmd := a.command("tail", "Print entries as they are written, until Ctrl-C", "portico audit tail\nportico audit tail --category security --json", nil,
		func(cmd *cobra.Command, _ []string) error {
			query, err := queryOf(cmd, filters)
			if err != nil {
				return err
			}
			c, err := a.client(cmd)
			if err != nil {
				return err
			}
			return a.follow(cmd.Context(), &follower{c, query, map[string]time.Time{}}, lines)
		})
	cmd.Flags().IntVar(&lines, "lines", 10, "how many earlier entries to print first, 0 to 100")
	for _, f := range filters {
		cmd.Flags().String(f.flag, "", f.usage)
		suggest(cmd, f.flag, f.values...)
	}
	return cmd
}

// follower reads entries that it has not read before.
type follower struct {
	c     *client.Client
	query url.Values
	seen  map[string]time.Time // by id, those of the last tailBack
}

// follow prints the last entries, and then new ones.
func (a *app) follow(ctx context.Context, f *follower, lines int) error {
	f.query.Set("limit", strconv.Itoa(max(lines, 1)))
	first, err := f.read(ctx, 1)
	if err != nil {
		return err
	}
	since := time.Now()
	if len(first) > 0 {
		since = createdAt(first[len(first)-1])
	}
	if err := a.entries(first[max(0, len(first)-lines):]); err != nil {
		return err
	}
	f.query.Set("limit", strconv.Itoa(pageSize))
	for {
		if err := a.Wait(ctx, tailEvery); err != nil {
			return err
		}
		f.query.Set("since", since.Add(-tailBack).UTC().Format(time.RFC3339Nano))
		some, err := f.read(ctx, 0)
		if err != nil {
			return err
		}
		if err := a.entries(some); err != nil {
			return err
		}
		if len(some) > 0 {
			since = later(since, createdAt(some[len(some)-1]))
		}
		for id, at := range f.seen {
			if at.Before(since.Add(-tailBack)) {
				delete(f.seen, id)
			}
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// read returns the entries that are new, oldest first, of so many pages; 0: of all.
func (f *follower) read(ctx context.Context, pages int) (fresh []json.RawMessage, err error) {
	f.query.Del("after")
	for n := 1; ; n++ {
		reply, err := f.c.Do(ctx, client.Request{Method: http.MethodGet, Path: auditPath, Query: f.query})
		if err != nil {
			return nil, err
		}
		var p page
		if err := json.Unmarshal(reply, &p); err != nil {
			return nil, fmt.Errorf("the API's reply is not a list: %w", err)
		}
		for _, entry := range p.Data {
			id := cell(at(entry, "id"))
			if _, seen := f.seen[id]; !seen {
				f.seen[id] = createdAt(entry)
				fresh = append(fresh, entry)
			}
		}
		if p.Next == nil || n == pages {
			slices.Reverse(fresh)
			return fresh, nil
		}
		f.query.Set("after", *p.Next)
	}
}

func createdAt(entry json.RawMessage) (t time.Time) {
	_ = json.Unmarshal(at(entry, "created_at"), &t) // the zero time if the API says something else
	return t
}

// entries prints each entry on a line.
func (a *app) entries(some []json.RawMessage) error {
	for _, entry := range some {
		if a.json {
			var line bytes.Buffer
			if err := json.Compact(&line, entry); err != nil {
				return err
			}
			if err := a.document(jsontext.Escape(line.Bytes())); err != nil {
				return err
			}
			continue
		}
		a.out.Line("%s", a.entryLine(entry))
	}
	return nil
}

func (a *app) entryLine(entry json.RawMessage) string {
	parts := []string{a.out.Paint(terminal.Faint, cell(at(entry, "created_at")))}
	colour := terminal.Bold
	if cell(at(entry, "outcome")) == "failure" {
		colour = terminal.Red
	}
	parts = append(parts, a.out.Paint(colour, cell(at(entry, "action"))))
	if colour == terminal.Red {
		parts = append(parts, "refused")
	}
	actor := cell(at(entry, "actor.id"))
	if name := cell(at(entry, "actor.name")); name != "-" {
		actor = fmt.Sprintf("%s (%s)", name, actor)
	}
	parts = append(parts, "by "+actor)
	var targets []struct{ ID string }
	_ = json.Unmarshal(at(entry, "targets"), &targets) // no targets if the API says something else
	for _, t := range targets {
		parts = append(parts, terminal.Clean(t.ID))
	}
	return strings.Join(parts, "  ")
}
