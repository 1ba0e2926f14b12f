package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

const (
	// maxScan bounds how many entries List reads for a page, so that a page takes about
	// ten milliseconds at most, even if few entries match.
	maxScan = 10_000
	// maxRowScan is the same with words, for which it reads all texts of an entry, and
	// with a target, for which it finds each entry by its id.
	maxRowScan = 2_000
)

// Filter narrows a list. A zero field is ignored.
type Filter struct {
	Action   string // <noun>.<verb>
	Noun     string // of the action
	Category Category
	Outcome  string
	ActorID  string
	TargetID string
	Request  string        // the id of the request
	Words    []string      // each is somewhere in the entry; see entryText
	Since    time.Time     // from then on
	Until    time.Time     // before then
	After    id.AuditEntry `json:"-"` // the last entry of the page before
}

// ErrNotFound says that the organization has no such entry.
var ErrNotFound = fault.New(fault.NotFound, "audit_entry_not_found", "There is no entry with this id in the audit log.").
	Means("The audit log of your organization has no entry with this id.")

// columns are those that Entry.ScanRow reads, of audit_entry as e.
const columns = `e.id, e.action, e.category, e.actor_type, e.actor_id, coalesce(e.actor_name, ''), e.targets, e.before, e.after,
	e.request_id, e.source_ip, e.user_agent, e.outcome, e.created_at`

// conditions is a WHERE clause with its arguments; the first one is the organization.
type conditions struct {
	sql  []string
	args []any
}

// add adds a condition in which %[1]d is the number of its argument.
func (c *conditions) add(condition string, arg any) {
	c.args = append(c.args, arg)
	c.sql = append(c.sql, fmt.Sprintf(condition, len(c.args)))
}

func (c *conditions) String() string { return strings.Join(c.sql, " AND ") }

// equality is a condition on a column that has an index, in which the id follows it. The
// column is "" for that of a target.
type equality struct{ column, condition, value string }

const equals = ` = $%[1]d`

// ofTarget is the condition of entries that name a target.
const ofTarget = `EXISTS (SELECT FROM audit_target t WHERE t.org_id = $1 AND t.entry_id = e.id AND t.target_id = $%[1]d)`

// equalities returns those of the filter. The first one leads to the fewest entries, as
// a rule.
func (f Filter) equalities() (given []equality) {
	for _, e := range []equality{
		{`e.request_id`, equals, f.Request}, {``, ofTarget, f.TargetID}, {`e.actor_id`, equals, f.ActorID}, {`e.action`, equals, f.Action},
		{`e.noun`, equals, f.Noun}, {`e.outcome`, equals, f.Outcome}, {`e.category`, equals, string(f.Category)},
	} {
		if e.value != "" {
			e.condition = e.column + e.condition
			given = append(given, e)
		}
	}
	return given
}

// entryText is what words are looked for in. All of it is JSON, or has nothing that
// JSON escapes.
const entryText = `lower(concat_ws(' ', e.action, e.actor_id, to_json(e.actor_name), host(e.source_ip), e.targets, e.before, e.after))`

// along adds the condition e as the range of its index from the lowest id to the highest,
// and the conditions on the id as ranges within it. With = instead, the index by id alone
// would be in the right order, too, and Postgres would take it for a value that many
// entries have: if all of them are old, it would read the whole log to find them.
func (e equality) along(c *conditions, f Filter) {
	pair := `(` + e.column + `, e.id)`
	c.add(pair+` >= ($%[1]d, uuid '00000000-0000-0000-0000-000000000000')`, e.value)
	c.add(pair+` <= ($%[1]d, uuid 'ffffffff-ffff-ffff-ffff-ffffffffffff')`, e.value)
	value := fmt.Sprintf(`$%d`, len(c.args))
	if !f.Since.IsZero() {
		c.add(pair+` >= (`+value+`, uuid_floor($%[1]d))`, f.Since)
	}
	if !f.Until.IsZero() {
		c.add(pair+` < (`+value+`, uuid_floor($%[1]d))`, f.Until.Add(time.Millisecond))
	}
	if !f.After.IsZero() {
		c.add(pair+` < (`+value+`, $%[1]d)`, f.After)
	}
}

// match adds the conditions for which an entry must be looked at, without the first
// equalities, which it meets already.
func (f Filter) match(c *conditions, met int) {
	for _, e := range f.equalities()[met:] {
		c.add(e.condition, e.value)
	}
	if len(f.Words) > 0 {
		patterns := make([]string, len(f.Words))
		for i, word := range f.Words {
			quoted := encode(word)
			patterns[i] = "%" + likeSafe.Replace(string(quoted[1:len(quoted)-1])) + "%"
		}
		c.add(entryText+` LIKE ALL (ARRAY(SELECT lower(w) FROM unnest($%[1]d::text[]) AS w))`, patterns)
	}
}

// likeSafe escapes what is special in a pattern of LIKE.
var likeSafe = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// between adds the conditions that an index by id finds. The ids start with the
// milliseconds of created_at.
func (f Filter) between(c *conditions, column string) {
	if !f.Since.IsZero() {
		c.add(column+` >= uuid_floor($%[1]d)`, f.Since)
	}
	if !f.Until.IsZero() {
		c.add(column+` < uuid_floor($%[1]d)`, f.Until.Add(time.Millisecond))
	}
	if !f.After.IsZero() {
		c.add(column+` < $%[1]d`, f.After)
	}
}

// exactly adds the conditions of the time within a millisecond.
func (f Filter) exactly(c *conditions) {
	if !f.Since.IsZero() {
		c.add(`e.created_at >= $%[1]d`, f.Since)
	}
	if !f.Until.IsZero() {
		c.add(`e.created_at < $%[1]d`, f.Until)
	}
}

// reading is where a list reads: entries, or the entries of a target, along the index of
// one equality. The other conditions are looked at in each entry that was read. With all
// conditions at one place, Postgres would choose the index by statistics, and might read
// the whole log for a condition that few entries meet.
type reading struct {
	table, column string // the column has the entry's id
	order         string // of the index
	read, match   conditions
	scan          int // how many entries may be read; 0: there is nothing to look at
}

// targets is a table of reading.
const targets = `audit_target e`

func (f Filter) reading(org id.Org) reading {
	r := reading{table: `audit_entry e`, column: `e.id`, order: `e.id DESC`, scan: maxScan}
	r.read.add(`e.org_id = $%[1]d`, [16]byte(org.UUID)) // also of the platform, whose id is zero
	met := f.equalities()
	met = met[:min(1, len(met))]
	for _, e := range met {
		if e.condition == ofTarget {
			r.table, r.column, r.order, r.scan = targets, `e.entry_id`, `e.entry_id DESC`, maxRowScan
			r.read.add(`e.target_id = $%[1]d`, e.value)
		} else {
			e.along(&r.read, f)
			r.order = e.column + ` DESC, e.id DESC`
		}
	}
	f.between(&r.read, r.column)
	if r.table != targets {
		f.exactly(&r.read)
	}
	r.match.args = slices.Clone(r.read.args)
	if r.table == targets {
		f.exactly(&r.match)
	}
	f.match(&r.match, len(met))
	switch {
	case len(r.match.sql) == 0:
		r.scan = 0
	case len(f.Words) > 0:
		r.scan = maxRowScan
	}
	return r
}

// sql returns the statement that reads columns of what is read, newest first.
func (r reading) sql(columns string) string {
	return `SELECT ` + columns + ` FROM ` + r.table + ` WHERE ` + r.read.String() + ` ORDER BY ` + r.order + ` `
}

// entryOfTarget finds the entry of each row of audit_target by its id. OFFSET 0 keeps
// Postgres from joining the tables in another way, which reads the whole log.
const entryOfTarget = `CROSS JOIN LATERAL (SELECT * FROM audit_entry f WHERE f.org_id = r.org_id AND f.id = r.entry_id OFFSET 0) AS e`

// List returns up to limit entries of the organization, newest first. To find those that
// meet several conditions, or have certain words, it reads a bounded number of entries.
// If there may be more of them, scanned is the last one that it has read, otherwise zero.
func List(ctx context.Context, tx pg.Tx, org id.Org, f Filter, limit int) (entries []Entry, scanned id.AuditEntry, err error) {
	r := f.reading(org)
	where := ``
	if r.scan > 0 {
		where = ` WHERE ` + r.match.String()
	}
	from, order := `(`+r.sql(`e.*`)+fmt.Sprintf(`LIMIT $%d) AS `, len(r.match.args)+1), r.order
	if r.table == targets {
		from, order = from+`r `+entryOfTarget, `r.entry_id DESC`
	} else {
		from += `e`
	}
	args := append(r.match.args, max(r.scan, limit), limit)
	entries, err = pg.List[Entry](ctx, tx, "audit.List", `
		SELECT `+columns+` FROM `+from+where+fmt.Sprintf(` ORDER BY `+order+` LIMIT $%d`, len(args)), args...)
	if err != nil || r.scan == 0 || len(entries) == limit {
		return entries, scanned, err
	}
	last, err := pg.List[id.AuditEntry](ctx, tx, "audit.lastRead", r.sql(r.column)+fmt.Sprintf(`OFFSET $%d LIMIT 1`, len(r.read.args)+1),
		append(r.read.args, max(r.scan, limit)-1)...)
	if len(last) > 0 {
		scanned = last[0]
	}
	return entries, scanned, err
}

// Conditions returns the conditions of the filter on audit_entry as e, those of the time
// apart from the others, with their arguments after args; $1 is the organization. TRUE
// stands for none.
func (f Filter) Conditions(args []any) (time, others string, all []any) {
	c := conditions{args: slices.Clone(args)}
	f.exactly(&c)
	time = cmp.Or(c.String(), `TRUE`)
	c.sql = nil
	f.match(&c, 0)
	return time, cmp.Or(c.String(), `TRUE`), c.args
}

// IsPartial reports whether the filter leaves out entries other than by time.
func (f Filter) IsPartial() bool { return len(f.equalities()) > 0 || len(f.Words) > 0 }

// Get returns an entry of the organization, or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, entry id.AuditEntry) (Entry, error) {
	return pg.One[Entry](ctx, tx, "audit.Get", ErrNotFound, `SELECT `+columns+` FROM audit_entry e WHERE e.org_id = $1 AND e.id = $2`, [16]byte(org.UUID), entry)
}
