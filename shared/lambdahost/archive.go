package lambdahost

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/audit/anchor"
	"portico/shared/audit/archive"
	"portico/shared/audit/restore"
	"portico/shared/bucket"
	"portico/shared/jobs"
	"portico/shared/pg"
)

type (
	// anchorEnv names the table with the ends of the archived audit logs.
	anchorEnv struct {
		Table string `env:"ANCHOR_TABLE,required,notEmpty"`
	}
	// archiveEnv says where the archive of the audit logs is.
	archiveEnv struct {
		Anchors anchorEnv
		Bucket  string `env:"ARCHIVE_BUCKET,required,notEmpty"`
	}
)

func (h *host) anchors(e anchorEnv) anchor.Table {
	return anchor.NewTable(dynamodb.NewFromConfig(h.aws), e.Table)
}

func (h *host) archiver(db *pg.DB, e archiveEnv) *archive.Archiver {
	return &archive.Archiver{DB: db, Bucket: bucket.New(h.aws, e.Bucket), Anchors: h.anchors(e.Anchors), Clock: h.clock, Log: h.log}
}

// Restore restores audit logs from their archive on direct invocation.
func Restore() {
	ctx := context.Background()
	var (
		database databaseEnv
		e        migrateEnv
		chains   sequencerEnv
		kept     archiveEnv
		keep     auditRetentionEnv
	)
	h := begin(ctx, &database, &e, &chains, &kept, &keep)
	logins, wakers := h.logins(database, e), h.sequencerWakers(chains, database)
	r := restore.Restorer{
		Bucket: bucket.New(h.aws, kept.Bucket), Anchors: h.anchors(kept.Anchors), Keep: time.Duration(keep.Days) * 24 * time.Hour,
		Lower: func(ctx context.Context, database string) error {
			return wakers[database].Due.Lower(ctx, h.clock.Now())
		},
		Wake: func(ctx context.Context, database string) {
			if err := wakers[database].Wake(ctx); err != nil { // the sweep finds what is due
				h.log.Warn("no sequencer could be woken", "database", database, "cause", err.Error())
			}
		},
		Progress: func(format string, args ...any) { h.log.Info(fmt.Sprintf(format, args...)) },
	}
	invoke(func(ctx context.Context, payload json.RawMessage) (_ any, err error) {
		ctx, cancel := endEarlier(ctx, forEnding)
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
