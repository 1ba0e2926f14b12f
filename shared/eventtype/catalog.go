package eventtype

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"portico/shared/eventtype/schema"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// Catalog is what publishes need of an organization's types. It is kept in memory, so
// it is small. It is safe for concurrent use.
type Catalog struct {
	entries []entry // by their names
}

// entry is a type in a Catalog.
type entry struct {
	name     string
	group    string
	digest   string // of the schema that data must match; "": none
	archived bool
}

// ScanRow reads the columns of Queue.
func (e *entry) ScanRow(row pgx.Rows) error {
	var digest []byte
	err := row.Scan(&e.name, &e.group, &e.archived, &digest)
	e.digest = string(digest)
	return err
}

// Queue adds the statement that reads a catalog to a batch.
func (c *Catalog) Queue(batch *pgx.Batch, org id.Org) {
	batch.Queue(`
		SELECT t.name, t.group_name, t.archived_at IS NOT NULL, v.digest
		FROM event_type t LEFT JOIN event_type_version v
			ON v.org_id = t.org_id AND v.name = t.name AND v.number = t.version AND t.validation = 'required'
		WHERE t.org_id = $1 ORDER BY t.name COLLATE "C"`, org).Query(pg.Into(&c.entries))
}

// QueueGroup adds the statement that reads the group of a type to a batch; it stays
// "" without one.
func QueueGroup(batch *pgx.Batch, org id.Org, name string, group *string) {
	batch.Queue(`SELECT group_name FROM event_type WHERE org_id = $1 AND name = $2`, org, name).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{group}, func() error { return nil })
		return err
	})
}

// GroupOf returns a type's group, and whether the catalog has the type.
func (c Catalog) GroupOf(name string) (group string, known bool) {
	e, known := c.find(name)
	return e.group, known
}

// IsEmpty reports whether the organization has no types.
func (c Catalog) IsEmpty() bool { return len(c.entries) == 0 }

// Has reports whether one of the types fulfils a condition.
func (c Catalog) Has(condition func(name, group string) bool) bool {
	return slices.ContainsFunc(c.entries, func(e entry) bool { return condition(e.name, e.group) })
}

func (c Catalog) find(name string) (entry, bool) {
	i, known := slices.BinarySearchFunc(c.entries, name, func(e entry, name string) int { return strings.Compare(e.name, name) })
	if !known {
		return entry{}, false
	}
	return c.entries[i], true
}

// Size is about how many bytes of memory the catalog takes.
func (c Catalog) Size() (bytes int) {
	for _, e := range c.entries {
		bytes += 60 + len(e.name) + len(e.group) + len(e.digest)
	}
	return bytes
}

// Watches reports whether Admit may refuse events of a type.
func (c Catalog) Watches(name string) bool {
	e, known := c.find(name)
	return known && (e.archived || e.digest != "")
}

// Admit refuses an event of an archived type, and one whose data its type's schema
// refuses. The fault names fields that begin with at, such as `events[3].`. It reads a
// schema that this process has not used lately.
func (c Catalog) Admit(ctx context.Context, tx pg.Tx, org id.Org, at, name string, data json.RawMessage) error {
	e, _ := c.find(name)
	switch {
	case e.archived:
		return fault.InvalidField(at+"type", "is archived: publish another type, or take it out of the archive")
	case e.digest == "":
		return nil
	}
	s, err := loadSchema(ctx, tx, org, e)
	if err != nil {
		return err
	}
	return refusals(ctx, s, at+"data", data)
}

func loadSchema(ctx context.Context, tx pg.Tx, org id.Org, e entry) (*schema.Schema, error) {
	digest := [32]byte([]byte(e.digest))
	if s := compiled.kept(digest); s != nil {
		return s, nil
	}
	changed := pg.ErrAgain // the catalog is out of date
	if pg.IsAgain(tx) {
		changed = fault.ErrAway
	}
	text, err := pg.One[[]byte](ctx, tx, "eventtype.loadSchema", changed, `
		SELECT schema FROM event_type_version WHERE org_id = $1 AND name = $2 AND digest = $3 LIMIT 1`, org, e.name, []byte(e.digest))
	if err != nil {
		return nil, err
	}
	return compiled.of(digest, text)
}

// schemas keeps compiled schemas by their digests. It is safe for concurrent use.
type schemas struct {
	mu    sync.Mutex
	all   map[[32]byte]*schema.Schema
	bytes int // of their texts
}

// maxKept bounds the texts of the schemas that are kept; compiled ones take up to
// thirty times as much memory.
const maxKept = 2 << 20

// compiled has the schemas of all organizations: equal schemas behave alike.
var compiled = schemas{all: map[[32]byte]*schema.Schema{}}

func (k *schemas) kept(digest [32]byte) *schema.Schema {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all[digest]
}

// of returns the compiled schema of a stored text.
func (k *schemas) of(digest [32]byte, text []byte) (*schema.Schema, error) {
	if s := k.kept(digest); s != nil {
		return s, nil
	}
	s, err := schema.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("eventtype: a stored schema does not compile: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bytes+len(text) > maxKept {
		clear(k.all)
		k.bytes = 0
	}
	k.all[digest] = s
	k.bytes += len(text)
	return s, nil
}
