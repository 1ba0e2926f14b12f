package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/job"
	"portico/shared/job/schedule"
	"portico/shared/pg"
)

const (
	// seenEvery is how often a program that runs says so.
	seenEvery = 15 * time.Minute
	// goneAfter is how long a newer release must not have run until an older one
	// takes its declarations back: a deployment shifts traffic in minutes, and it was
	// undone.
	goneAfter = time.Hour
)

// Deployment brings what a database stores of kinds and schedules up to date with
// the code.
//
// While a deployment shifts traffic, programs of two releases start and run at once.
// The newer one decides, whichever starts last. An item in DynamoDB says which
// release that is, when it last ran, and which declarations the database has, so a
// program that starts does not wake a database that is asleep.
type Deployment struct {
	DB        *pg.Worker
	Home      *pg.Worker // the home database, if this is another one
	Database  string
	Kinds     *job.Registry
	Schedules []schedule.Declaration
	// Release is higher in newer programs. Programs with the same one replace each
	// other's declarations.
	Release int64
	Table   dynamo.Table // the table of due times, with the key "id"
	Dues    map[job.Queue]*claim.Due
	Clock   *clock.Clock

	current time.Time // when the item last said that this program's declarations count
}

// Ensure does it once for each version of the declarations. A program calls it
// before each of its runs.
func (d *Deployment) Ensure(ctx context.Context) error {
	now := d.Clock.Now()
	if !d.current.IsZero() && now.Sub(d.current) < seenEvery {
		return nil
	}
	version, err := versionOf(d.Kinds, d.Schedules)
	if err != nil {
		return err
	}
	item, err := d.Table.UpdateAndGet(ctx, d.key(), dynamo.Write{
		Update: "SET from_release = :release, seen = :now",
		If:     "attribute_not_exists(from_release) OR from_release <= :release OR seen < :gone",
		Values: dynamo.Item{":release": dynamo.Number(d.Release), ":now": dynamo.Number(now.Unix()), ":gone": dynamo.Number(now.Add(-goneAfter).Unix())},
	})
	if err == nil && dynamo.TextOf(item["version"]) != version {
		err = d.deploy(ctx, version)
	}
	if errors.Is(err, errNewer) || dynamo.IsRefused(err) {
		return nil
	}
	if err == nil {
		d.current = now
	}
	return err
}

// errNewer says that a newer release counts by now.
var errNewer = errors.New("jobs: a newer release deploys")

// deploy writes the declarations. While it does, the item does not say what the
// database has, because the program may die in the middle.
func (d *Deployment) deploy(ctx context.Context, version string) error {
	if err := d.note(ctx, "REMOVE version", nil); err != nil {
		return err
	}
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
	if err := schedule.Deploy(ctx, d.DB, d.Kinds, d.Schedules, home, d.mayDeploy); err != nil {
		return err
	}
	return d.note(ctx, "SET version = :version", dynamo.Text(version))
}

// note changes the item if this release still counts.
func (d *Deployment) note(ctx context.Context, update string, version types.AttributeValue) error {
	values := dynamo.Item{":release": dynamo.Number(d.Release)}
	if version != nil {
		values[":version"] = version
	}
	return d.Table.Update(ctx, d.key(), dynamo.Write{Update: update, If: "from_release = :release", Values: values})
}

// mayDeploy runs while no other program can deploy. A newer one notes its release
// before it waits for that, so either this one sees it, or the newer one deploys
// later.
func (d *Deployment) mayDeploy(ctx context.Context) error {
	item, err := d.Table.Get(ctx, d.key())
	if err != nil {
		return err
	}
	if release, _, err := dynamo.NumberOf(item["from_release"]); err != nil || release != d.Release {
		return errors.Join(errNewer, err)
	}
	return nil
}

func (d *Deployment) key() string { return "schedules@" + d.Database }

func versionOf(kinds *job.Registry, schedules []schedule.Declaration) (string, error) {
	text, err := json.Marshal([]any{schedules, kinds.Names()})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), err
}
