package chain

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// trimAtOnce bounds the entries that one batch of an Expiry removes.
const trimAtOnce = 1000

// Expiry removes the entries of an organization that are older than it keeps them, from
// the beginning of its chain, in batches. Each batch is a transaction that also moves the
// beginning, so a killed one has removed nothing.
type Expiry struct {
	Org  id.Org
	keep time.Duration
}

// Next removes the next batch. It returns how many entries are gone, and whether there
// may be more. An organization that is moving keeps its entries.
func (e Expiry) Next(ctx context.Context, db *pg.Worker) (removed int64, more bool, err error) {
	removed, err = pg.Value[int64](ctx, db, "chain.Expiry", `SELECT trim_audit($1, $2, $3)`, e.Org, e.keep, trimAtOnce)
	return removed, removed == trimAtOnce, err
}

// Name is the organization, for the log.
func (e Expiry) Name() id.Org { return e.Org }

// retention is what an organization has set.
type retention struct {
	OrgID id.Org
	Days  int
}

// ListExpiries returns an Expiry for each organization that keeps its log for a shorter
// time than the stage.
func ListExpiries(ctx context.Context, db *pg.Worker, stage time.Duration) (expiries []Expiry, err error) {
	list, err := pg.List[retention](ctx, db, "chain.ListExpiries", `SELECT org_id, days FROM audit_retentions()`)
	for _, set := range list {
		if own := time.Duration(set.Days) * 24 * time.Hour; own < stage {
			expiries = append(expiries, Expiry{set.OrgID, own})
		}
	}
	return expiries, err
}

// ListExpired returns the quarters in which every entry is older than keep, the oldest
// first.
func ListExpired(ctx context.Context, db *pg.Worker, keep time.Duration) ([]string, error) {
	return pg.List[string](ctx, db, "chain.ListExpired", `SELECT quarter FROM expired_audit_quarters($1)`, keep)
}

// DropQuarter drops a quarter that has expired, and returns false if it may not go yet:
// an entry of it is not chained, or an organization is moving.
func DropQuarter(ctx context.Context, db *pg.Worker, quarter string, keep time.Duration) (dropped bool, err error) {
	return pg.Value[bool](ctx, db, "chain.DropQuarter", `SELECT drop_audit_quarter($1, $2)`, quarter, keep)
}
