package kinds

import (
	"context"

	"portico/shared/job"
	"portico/shared/pg"
)

// copyArgs are the arguments of the job that copies a kind's override to another
// database.
type copyArgs struct {
	Kind     string `json:"kind"`
	Database string `json:"database"`
}

// copyKind brings a kind in another database to what the home database has. It copies
// the newest state, so one job that waits is enough, and a repetition changes nothing.
var copyKind = job.Kind[copyArgs]{Name: "job_kind.copy", Queue: job.High, Platform: true, Unique: job.Waits}

// CopyKind is the kind of the jobs that an Editor adds, with its work.
func CopyKind(db *pg.DB) job.Declared {
	k := copyKind
	k.Work = job.Call(func(ctx context.Context, _ job.Job, args copyArgs) (struct{}, error) {
		var home Override
		err := db.PlatformIn(ctx, pg.Home, func(tx pg.Tx) (err error) {
			home, err = get(ctx, tx, args.Kind)
			return err
		})
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, db.PlatformIn(ctx, args.Database, func(tx pg.Tx) error { return home.copyTo(ctx, tx) })
	}, nil)
	return k
}

// copyTo brings the kind in the transaction's database to this state, unless it has it
// or a newer one already. A pause that Portico itself began there ends with it; the job
// that began it begins it anew if its cause remains.
func (o Override) copyTo(ctx context.Context, tx pg.Tx) error {
	own, err := get(ctx, tx, o.Kind)
	if err != nil || own.Revision >= o.Revision {
		return err
	}
	return o.write(ctx, tx)
}
