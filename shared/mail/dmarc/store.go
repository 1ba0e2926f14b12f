package dmarc

import (
	"context"
	"net/netip"
	"time"

	"portico/shared/pg"
)

// KeepFor is for how long a report is kept after the time that it is about.
const KeepFor = 90 * 24 * time.Hour

// Keep keeps a report, and returns whether it is new: one that comes twice counts once.
func Keep(ctx context.Context, q pg.Querier, r Report) (bool, error) {
	n := len(r.Rows)
	sources, from, actions, counts := make([]netip.Addr, n), make([]string, n), make([]string, n), make([]int64, n)
	dkim, spf := make([]bool, n), make([]bool, n)
	for i, row := range r.Rows {
		sources[i], from[i], actions[i], counts[i], dkim[i], spf[i] = row.Source, row.HeaderFrom, row.Disposition, int64(row.Count), row.DKIM, row.SPF
	}
	return pg.Value[bool](ctx, q, "dmarc.Keep", `SELECT keep_dmarc($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		r.Organization, r.ID, r.Domain, r.Policy, r.Begin, r.End, sources, from, dkim, spf, actions, counts)
}

// Source is what all reports about a time say about the mails from one address that
// passed DMARC, or about those that did not.
type Source struct {
	Source      netip.Addr
	Aligned     bool
	Mails       int64
	DKIM        int64 // of them, for how many it passed
	SPF         int64
	Quarantined int64 // what receivers did with them
	Rejected    int64
	Reports     int64
	HeaderFrom  string // a domain in whose name they were sent
}

// SourceFilter narrows a list.
type SourceFilter struct {
	Since, Until time.Time // of the beginning of the time that a report is about
	Domain       string    // "": any
	Aligned      *bool     // nil: both
	// After is the last one of the page before; nil: from the start.
	After *Source
}

// ListSources returns up to limit sources, by address.
func ListSources(ctx context.Context, q pg.Querier, f SourceFilter, limit int) ([]Source, error) {
	var (
		domain  *string
		after   *netip.Addr
		aligned *bool
	)
	if f.Domain != "" {
		domain = &f.Domain
	}
	if f.After != nil {
		after, aligned = &f.After.Source, &f.After.Aligned
	}
	return pg.List[Source](ctx, q, "dmarc.ListSources", `SELECT * FROM list_dmarc_sources($1, $2, $3, $4, $5, $6, $7)`,
		f.Since, f.Until, domain, f.Aligned, after, aligned, limit)
}

// Forget deletes up to atMost reports of a database that are older than KeepFor, and
// returns how many.
func Forget(ctx context.Context, db *pg.Worker, atMost int) (int64, error) {
	return pg.Affect(ctx, db, "dmarc.Forget", `
		DELETE FROM mail_dmarc WHERE id = ANY (ARRAY(
			SELECT id FROM mail_dmarc WHERE ends_at < portico_now() - $1::interval ORDER BY ends_at LIMIT $2))`, KeepFor, atMost)
}
