package audit

import (
	"context"

	"portico/shared/id"
	"portico/shared/pg"
)

// outliving returns the entry for the platform's log: of what was set it has the name
// only, and of a customer neither address nor program.
func outliving(e Entry) Entry {
	e.Before, e.After = nameIn(e.Before), nameIn(e.After)
	if e.Actor.Type == APIKey {
		e.Origin = Origin{RequestID: e.Origin.RequestID}
	}
	return e
}

func nameIn(f Fields) Fields {
	if f["name"] == nil {
		return nil
	}
	return Fields{"name": f["name"]}
}

// InsertAsOwner writes an entry into the platform's log. tx is portico_owner's in the home
// database, bound to the platform. Nobody tells the sequencer: the sweep finds the entry
// if the due time was lowered.
func InsertAsOwner(ctx context.Context, tx pg.Tx, e Entry) error {
	e.ID = id.New[id.AuditEntry](e.CreatedAt)
	if err := insert(ctx, tx, id.Org{}, e); err != nil {
		return err
	}
	// The trigger does this for all other roles.
	return pg.Exec(ctx, tx, "audit.InsertAsOwner", `INSERT INTO audit_unchained (org_id, entry_id) VALUES ($1, $2)`, [16]byte{}, e.ID)
}
