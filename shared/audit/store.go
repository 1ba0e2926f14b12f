package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// Unchained is the name of the queue of the entries that wait for their place in the
// chain, see shared/audit/chain.
const Unchained = "audit_unchained"

// Insert writes an entry, whose action must be in the registry, in the transaction of
// the change: one statement. A trigger notes that it waits for its place in the chain,
// and the sequencer is told after the commit. Of an action that outlives its
// organization, the log of the platform gets an entry, too, see pg.OnPlatform.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, e Entry) error {
	if err := insert(ctx, tx, org, e); err != nil || org.IsZero() || !byName[e.Action].Outlives {
		return err
	}
	return pg.OnPlatform(ctx, tx, func(tx pg.Tx) error { return insert(ctx, tx, id.Org{}, outliving(e)) })
}

func insert(ctx context.Context, tx pg.Tx, org id.Org, e Entry) error {
	name, args, err := valuesOf(org, e)
	if err != nil {
		return fmt.Errorf("audit.Insert: %w", err)
	}
	pg.Raise(tx, Unchained, "")
	return pg.Exec(ctx, tx, "audit.Insert "+e.Action, `
		WITH entry AS (`+insertEntry+` SELECT `+values+`, `+name+`)
		INSERT INTO audit_target (org_id, target_id, entry_id) SELECT DISTINCT $1::uuid, t, $2::uuid FROM unnest($14::text[]) AS t`, args...)
}

// insertRefused counts a refused attempt in its minute, and inserts its entry if it is
// one of the first. It returns the minute, and how many there are in it.
func insertRefused(ctx context.Context, tx pg.Tx, org id.Org, e Entry) (t tally, err error) {
	name, args, err := valuesOf(org, e)
	if err != nil {
		return t, fmt.Errorf("audit.Refusals: %w", err)
	}
	return pg.Value[tally](ctx, tx, "audit.Refusals "+e.Action, `
		WITH counted AS (
			INSERT INTO audit_refusal AS r (org_id, minute, actor_id, actor_type, actor_name, attempts)
			VALUES ($1, date_trunc('minute', portico_now()), $5, $4, coalesce(`+name+`, ''), 1)
			ON CONFLICT (org_id, minute, actor_id) DO UPDATE SET attempts = r.attempts + 1,
				due_at = CASE WHEN r.attempts >= `+inFull+` THEN r.minute + interval '`+refusedDueAfter+`' END
			RETURNING minute, attempts, nullif(actor_name, '') AS name
		), entry AS (
			`+insertEntry+` SELECT `+values+`, name FROM counted WHERE attempts <= `+inFull+`
		), target AS (
			INSERT INTO audit_target (org_id, target_id, entry_id)
			SELECT DISTINCT $1::uuid, t, $2::uuid FROM counted, unnest($14::text[]) AS t WHERE attempts <= `+inFull+`
		)
		SELECT minute, attempts FROM counted`, args...)
}

const (
	insertEntry = `
		INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, targets, before, after,
			request_id, source_ip, user_agent, created_at, category, outcome, actor_name)`
	values = `$1::uuid, $2::uuid, $3::text, $4::text, $5::text, $7::json, $8::json, $9::json,
			$10::text, $11::inet, $12::text, $13::timestamptz, $15::text, $16::text`
)

// valuesOf returns the arguments of an entry, and the expression of its actor's name.
func valuesOf(org id.Org, e Entry) (name string, args []any, err error) {
	action, found := Find(e.Action)
	if !found {
		return "", nil, fmt.Errorf("the action %q is not in shared/audit/actions.go", e.Action)
	}
	if e.ID.IsZero() {
		e.ID = id.New[id.AuditEntry](e.CreatedAt)
	}
	stored := e.stored()
	targets := make([]string, len(stored))
	for i, t := range stored {
		targets[i] = t.ID
	}
	args = []any{
		[16]byte(org.UUID), e.ID, e.Action, e.Actor.Type, e.Actor.ID, nonEmpty(e.Actor.Name),
		encode(stored), object(e.Before), object(e.After),
		storable(e.Origin.RequestID), address(e.Origin.SourceIP), storable(e.Origin.UserAgent), e.CreatedAt, targets, action.Category, cmp.Or(e.Outcome, Success),
	}
	name = `$6::text`
	if key, err := id.Parse[id.APIKey](e.Actor.ID); err == nil && e.Actor.Name == "" {
		name = `coalesce($6::text, (SELECT name FROM api_key WHERE org_id = $1 AND id = $17))`
		args = append(args, key)
	}
	return name, args, nil
}

// object returns nil, which Postgres reads as NULL, for no fields.
func object(f Fields) []byte {
	if f == nil {
		return nil
	}
	return encode(f)
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func address(a netip.Addr) *netip.Addr {
	if !a.IsValid() {
		return nil
	}
	a = a.Unmap().WithZone("")
	return &a
}

// ScanRow reads columns.
func (e *Entry) ScanRow(row pgx.Rows) error {
	var targets, before, after []byte
	var address *netip.Addr
	err := row.Scan(&e.ID, &e.Action, &e.Category, &e.Actor.Type, &e.Actor.ID, &e.Actor.Name, &targets, &before, &after,
		&e.Origin.RequestID, &address, &e.Origin.UserAgent, &e.Outcome, &e.CreatedAt)
	if err != nil {
		return err
	}
	if address != nil {
		e.Origin.SourceIP = *address
	}
	err = errors.Join(decode(targets, &e.Targets), decode(before, &e.Before), decode(after, &e.After))
	var behalf *Target
	if e.Targets, behalf = Apart(e.Targets); behalf != nil {
		e.For = Actor{Type: behalf.Type, ID: behalf.ID}
	}
	return err
}

// decode leaves v as it is for NULL, and numbers with all their digits.
func decode(text []byte, v any) error {
	if text == nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(v)
}
