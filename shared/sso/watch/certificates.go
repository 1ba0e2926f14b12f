// Package watch has the jobs that watch over connections: members are told before the last
// certificate of one ends, and when somebody enters without one that is enforced.
package watch

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

const aDay = 24 * time.Hour

// toldBefore is how much time before the end members are told: when less than 31 days are
// left, so 30 whole days, and so on.
var toldBefore = []time.Duration{31 * aDay, 15 * aDay, 8 * aDay, 2 * aDay}

// toldNow is true for an active connection when one of the times of toldBefore, $1, has
// passed since members were last told. A new certificate needs no reset: its times are
// later. A provider whose certificates have ended lets nobody in, which traces tell.
const toldNow = `status = 'active' AND certificates_end_at > portico_now() AND EXISTS (
	SELECT FROM unnest($1::interval[]) before
	WHERE certificates_end_at - before < portico_now() AND certificates_end_at - before >= coalesce(certificates_told_at, '-infinity'))`

// WatchCertificatesName is the name of a daily job of each database.
const WatchCertificatesName = "sso_connection.watch_certificates"

// watchAtOnce is for how many organizations one step of a daily job adds jobs.
const watchAtOnce = 500

// Ending is a connection whose certificates end.
type Ending struct {
	ID     id.SSOConnection
	Name   string
	EndsAt time.Time
}

// Teller tells the members of an organization of a connection, in the transaction.
type Teller func(ctx context.Context, tx pg.Tx, org id.Org, e Ending) error

// WatchCertificates adds a job for each organization that has to be told.
func WatchCertificates() job.Kind[struct{}] {
	return job.Kind[struct{}]{
		Name: WatchCertificatesName, Queue: job.High, Platform: true,
		Work: job.Steps(func(ctx context.Context, tx pg.Tx, _ job.Job, _ struct{}, after id.Org) (next id.Org, more bool, err error) {
			orgs, err := pg.List[id.Org](ctx, tx, "watch.WatchCertificates", `
				SELECT DISTINCT c.org_id FROM sso_connection c
				WHERE c.certificates_end_at < portico_now() + $2 AND c.org_id > $3 AND `+toldNow+` AND `+livesHere+`
				ORDER BY c.org_id LIMIT $4`, toldBefore, toldBefore[0], [16]byte(after.UUID), watchAtOnce)
			if err != nil || len(orgs) == 0 {
				return after, false, err
			}
			kind := TellOfCertificates(nil)
			return orgs[len(orgs)-1], len(orgs) == watchAtOnce, job.AddEach(ctx, tx, orgs, kind, struct{}{}, job.Options{Key: kind.Name})
		}),
	}
}

// livesHere is true if the organization of c is open and lives in this database, and is not
// moving to another one.
const livesHere = `NOT EXISTS (SELECT FROM placement m WHERE m.org_id = c.org_id AND m.until > portico_now())
	AND NOT EXISTS (SELECT FROM organization o WHERE o.id = c.org_id AND o.deleted_at IS NOT NULL)`

// TellOfCertificates tells an organization of its connections whose certificates end, once
// for each time of toldBefore, and once only if several have passed.
func TellOfCertificates(tell Teller) job.Kind[struct{}] {
	return job.Kind[struct{}]{
		Name: "sso_connection.tell_of_certificates", Queue: job.High, Unique: job.Waits,
		Work: job.InTx(func(ctx context.Context, tx pg.Tx, j job.Job, _ struct{}) error {
			list, err := pg.List[Ending](ctx, tx, "watch.TellOfCertificates", `
				UPDATE sso_connection c SET certificates_told_at = portico_now()
				WHERE c.org_id = $2 AND `+toldNow+` AND `+livesHere+`
				RETURNING id, name, certificates_end_at AS ends_at`, toldBefore, j.Org)
			for _, e := range list {
				if err == nil {
					err = tell(ctx, tx, j.Org, e)
				}
			}
			return err
		}),
	}
}
