package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/job"
	"portico/shared/job/schedule"
	"portico/shared/pg"
)

// Deployment brings what a database stores of kinds and schedules up to date with
// the code.
type Deployment struct {
	DB       *pg.Worker
	Home     *pg.Worker // the home database, if this is another one
	Database string
	Kinds    *job.Registry
	Table    dynamo.Table // the table of due times, with the key "id"
	Dues     map[job.Queue]*claim.Due
	Clock    *clock.Clock

	done bool
}

// Ensure does it once for each version of the declarations. An item in DynamoDB says
// which version the database has, so a program that starts does not wake a database
// that is asleep.
func (d *Deployment) Ensure(ctx context.Context) error {
	if d.done {
		return nil
	}
	version, err := versionOf(d.Kinds)
	if err != nil {
		return err
	}
	key := "schedules@" + d.Database
	item, err := d.Table.Get(ctx, key)
	if err != nil {
		return err
	}
	if dynamo.TextOf(item["version"]) != version {
		if err := d.deploy(ctx); err != nil {
			return err
		}
		if err := d.Table.Update(ctx, key, dynamo.Write{Update: "SET version = :v", Values: dynamo.Item{":v": dynamo.Text(version)}}); err != nil {
			return err
		}
	}
	d.done = true
	return nil
}

func (d *Deployment) deploy(ctx context.Context) error {
	for _, due := range d.Dues { // the sweep finds the first planned times
		if err := due.Lower(ctx, d.Clock.Now()); err != nil {
			return err
		}
	}
	if err := d.Kinds.EnsureThrottles(ctx, d.DB); err != nil {
		return err
	}
	var home []schedule.Schedule
	if d.Home != nil {
		var err error
		if home, err = schedule.List(ctx, d.Home); err != nil {
			return err
		}
	}
	return schedule.Deploy(ctx, d.DB, d.Kinds, Schedules, home)
}

func versionOf(kinds *job.Registry) (string, error) {
	text, err := json.Marshal([]any{Schedules, kinds.Names()})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), err
}
