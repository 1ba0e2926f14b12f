package work

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"portico/shared/audit/archive"
	"portico/shared/audit/restore"
	"portico/shared/bucket"
	"portico/shared/jobs"
	"portico/shared/lambdahost"
	"portico/shared/pg"
)

type (
	// archiveEnv says where the archive of the audit logs is.
	archiveEnv struct {
		Anchors lambdahost.AnchorEnv
		Bucket  string `env:"ARCHIVE_BUCKET,required,notEmpty"`
	}
)

func (h *host) archiver(db *pg.DB, e archiveEnv) *archive.Archiver {
	return &archive.Archiver{DB: db, Bucket: bucket.New(h.AWS, e.Bucket), Anchors: h.Anchors(e.Anchors), Clock: h.Clock, Log: h.Log}
}

// Restore restores audit logs from their archive on direct invocation.
func Restore() {
	ctx := context.Background()
	var (
		database lambdahost.DatabaseEnv
		e        migrateEnv
		chains   lambdahost.SequencerEnv
		kept     archiveEnv
		keep     auditRetentionEnv
	)
	h := begin(ctx, &database, &e, &chains, &kept, &keep)
	logins, wakers := h.logins(database, e), h.SequencerWakers(chains, database)
	r := restore.Restorer{
		Bucket: bucket.New(h.AWS, kept.Bucket), Anchors: h.Anchors(kept.Anchors), Keep: time.Duration(keep.Days) * 24 * time.Hour,
		Lower: func(ctx context.Context, database string) error {
			return wakers[database].Due.Lower(ctx, h.Clock.Now())
		},
		Wake: func(ctx context.Context, database string) {
			if err := wakers[database].Wake(ctx); err != nil { // the sweep finds what is due
				h.Log.Warn("no sequencer could be woken", "database", database, "cause", err.Error())
			}
		},
		Progress: func(format string, args ...any) { h.Log.Info(fmt.Sprintf(format, args...)) },
	}
	lambdahost.Invoke(func(ctx context.Context, payload json.RawMessage) (_ any, err error) {
		ctx, cancel := lambdahost.EndEarlier(ctx, forEnding)
		defer cancel()
		if r.Owners, err = jobs.Owners(ctx, logins); err != nil {
			return nil, err
		}
		return r.Run(ctx, payload)
	})
}

// forEnding is how long before the function's timeout a restore is given up, so that its
// reply says so.
const forEnding = 20 * time.Second
