package stream

import (
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/clock"
	"portico/shared/id"
)

// Entry is an audit entry with its place in the chain, as streams send it. Its members
// are those of the API's.
type Entry struct {
	Number   int64          `json:"number"` // 0: a test entry
	Hash     string         `json:"hash"`   // in hexadecimal digits; "": a test entry
	ID       id.AuditEntry  `json:"id"`
	Action   string         `json:"action"`
	Category audit.Category `json:"category"`
	Actor    Actor          `json:"actor"`
	// OnBehalfOf is the member for whom an app acted; nil: nobody.
	OnBehalfOf *audit.Target  `json:"on_behalf_of,omitempty"`
	Targets    []audit.Target `json:"targets"`
	Before     any            `json:"before"` // the JSON as it is stored
	After      any            `json:"after"`
	RequestID  string         `json:"request_id"`
	SourceIP   *string        `json:"source_ip"`
	UserAgent  string         `json:"user_agent"`
	Outcome    string         `json:"outcome"`
	CreatedAt  clock.Stamp    `json:"created_at"`
	Reduced    bool           `json:"reduced,omitempty"` // before and after were too large, and are left out
}

// Actor is who made a change.
type Actor struct {
	Type string  `json:"type"`
	ID   string  `json:"id"`
	Name *string `json:"name"`
}

// entryColumns are those that ScanRow reads, of audit_chain as c and audit_entry as e.
const entryColumns = `c.number, encode(c.hash, 'hex') AS hash, e.id, e.action, e.category, e.actor_type, e.actor_id, e.actor_name, e.targets, e.before, e.after,
	e.request_id, host(e.source_ip) AS source_ip, e.user_agent, e.outcome, e.created_at`

// placed is an entry of a batch, and the number of the next one that is selected; nil:
// there is none.
type placed struct {
	Entry
	next *int64
}

// ScanRow reads entryColumns and next.
func (p *placed) ScanRow(row pgx.Rows) error {
	var before, after []byte
	e := &p.Entry
	err := row.Scan(&e.Number, &e.Hash, &e.ID, &e.Action, &e.Category, &e.Actor.Type, &e.Actor.ID, &e.Actor.Name, &e.Targets, &before, &after,
		&e.RequestID, &e.SourceIP, &e.UserAgent, &e.Outcome, (*time.Time)(&e.CreatedAt), &p.next)
	e.Before, e.After = raw(before), raw(after)
	e.Targets, e.OnBehalfOf = audit.Apart(e.Targets)
	return err
}

// raw returns JSON that is written as it is, or nil for NULL.
func raw(text []byte) any {
	if text == nil {
		return nil
	}
	return json.RawMessage(text)
}

// reduce returns the entry without the fields that may be large.
func (e Entry) reduce() Entry {
	e.Before, e.After, e.Reduced = nil, nil, true
	return e
}

// testEntry is what a test sends. It is in no audit log.
func testEntry(s Stream) Entry {
	return Entry{
		ID: s.TestID, Action: "audit_stream.test", Category: audit.Data, Actor: Actor{Type: audit.System, ID: "audit_stream"},
		Targets: []audit.Target{audit.Of("audit_stream", s.ID)}, Outcome: audit.Success, CreatedAt: clock.Stamp(s.TestID.Time()),
	}
}
