package jobs

import (
	"context"
	"slices"

	"portico/shared/audit/archive"
	"portico/shared/audit/export"
	"portico/shared/audit/forget"
	"portico/shared/audit/scheduled"
	"portico/shared/audit/stream"
	"portico/shared/audit/streaming"
	"portico/shared/bucket"
	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/directory"
	"portico/shared/erasure"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/job"
	"portico/shared/job/kinds"
	"portico/shared/job/redrive"
	"portico/shared/job/schedule"
	"portico/shared/mail"
	"portico/shared/observe"
	"portico/shared/secret"
	"portico/shared/sso/watch"
	"portico/shared/webhook/recovery"
)

// Kinds makes the kinds of background jobs that Portico has.
type Kinds struct {
	Deleter Deleter
	Due     *claim.Due // of deliveries
	Clock   *clock.Clock
	Log     *observe.Log
	Box     *secret.Box // seals what mails say until they are sent
	// Database is the one whose jobs they do.
	Database string
	Exports  *bucket.Bucket    // has the files that customers download
	Archiver *archive.Archiver // of audit entries
	Streams  *streaming.Sender
	// Fetch reads what an organization's provider publishes at an address.
	Fetch func(ctx context.Context, url string) ([]byte, error)
	// ExportURL returns where the API shows an export. nil: the API's address is not known.
	ExportURL func(id.AuditExport) string
}

// All returns every kind.
func (k Kinds) All() []job.Declared {
	return []job.Declared{
		k.eraseClosed(), k.erase(), k.watchCertificates(), k.tellOfCertificates(), schedule.CopyKind(k.Deleter.DB),
		kinds.CopyKind(k.Deleter.DB), k.tellOfDisabling(), k.tellOfDead(), k.watchAPIKeys(), k.tellOfAPIKeys(), redrive.Own, redrive.EverywhereKind(k.Deleter.DB), recovery.Kind, erasure.Kind,
		k.Archiver.Kind(), k.Archiver.PlatformKind(k.Database), archive.WatchKind(k.Database),
		streaming.Deliverer{DB: k.Deleter.DB, Box: k.Box, Sender: k.Streams, Told: k.tellOfPause}.Kind(), stream.Watch,
		export.Kind(k.Exports), forget.Kind, scheduled.WatchKind(), identity.CopyAddressKind(k.Deleter.DB, k.Clock), directory.FollowKind(k.Clock),
		scheduled.Runner{Exports: k.Exports, Streams: k.Streams, Announce: k.announceExport, Told: k.tellOfFailingExport}.Kind(),
		watch.WatchCertificates(), watch.TellOfCertificates(k.tellOfSSOCertificates), watch.TellOfBreakGlass(k.tellOfBreakGlass),
		watch.WatchMetadata(), watch.ReadMetadata(k.Fetch),
	}
}

// Registry has every kind of job, those of mail among them.
func Registry(own Kinds, sender *mail.Sender, also ...job.Declared) (*job.Registry, error) {
	return job.NewRegistry(slices.Concat(own.All(), sender.Kinds(), also)...)
}

// Schedules are the recurring jobs of the platform.
var Schedules = []schedule.Declaration{
	recurring("erase-closed-organizations", "27 3 * * *", job.Bulk, eraseClosedKind),
	recurring("watch-client-certificates", "37 3 * * *", job.High, watchCertificatesKind),
	recurring("watch-api-keys", "47 3 * * *", job.High, watchAPIKeysKind),
	recurring("watch-sso-certificates", "53 3 * * *", job.High, watch.WatchCertificatesName),
	recurring("watch-sso-metadata", "23 3 * * *", job.Bulk, watch.WatchMetadataName),
	recurring("watch-audit-archive", "33 3 * * *", job.Bulk, archive.WatchName),
	recurring("watch-audit-streams", "34 3 * * *", job.Bulk, stream.WatchName),
	recurring("watch-audit-export-schedules", "43 3 * * *", job.Bulk, scheduled.WatchName),
}

// SESSchedules are those of a platform that sends mail through SES. Others do without,
// because a job every hour keeps a database from sleeping.
var SESSchedules = []schedule.Declaration{
	recurring("read-mail-account", "7 * * * *", job.High, mail.ReadAccountKind),
	recurring("compare-mail-addresses", "57 3 * * *", job.High, mail.CompareKind),
}

// recurring is a schedule without arguments, in UTC, whose last time is made up for
// after an outage.
func recurring(name, cron string, queue job.Queue, kind string) schedule.Declaration {
	return schedule.Declaration{
		Name: name, Queue: queue, Kind: kind,
		Setting: schedule.Setting{Cron: cron, Timezone: "UTC", CatchUp: schedule.One, Args: []byte("{}")},
	}
}
