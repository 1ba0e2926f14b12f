package stream

import (
	"context"
	"time"

	"github.com/google/uuid"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// Streams wait that long for more entries before they send a batch. An object in a bucket
// costs more than a request.
const (
	Gather   = 2 * time.Second
	gatherS3 = time.Minute
)

// awake is a stream that is to send something.
type awake struct {
	OrgID     uuid.UUID
	ID        id.AuditStream
	Type      string
	NextTryAt *time.Time
	Tests     bool
}

// Wake adds the jobs of the streams of these organizations, whose logs have grown, in the
// transaction in which they did. So no entry is without a job: a job that runs at that
// moment either sees the entry, or is followed by the one that is added here. Each
// change of a stream leaves an audit entry, so it wakes the stream, too.
func Wake(ctx context.Context, tx pg.Tx, orgs []id.Org) error {
	ids := make([][16]byte, len(orgs))
	for i, o := range orgs {
		ids[i] = o.UUID
	}
	list, err := pg.List[awake](ctx, tx, "stream.Wake", `
		SELECT s.org_id, s.id, s.type, s.next_try_at, s.test_id IS NOT NULL AS tests
		FROM unnest($1::uuid[]) AS o (id) JOIN audit_stream s ON s.org_id = ANY (ARRAY[o.id])
		WHERE s.status = 'enabled' OR s.test_id IS NOT NULL
		ORDER BY s.org_id, s.id`, ids)
	if err != nil {
		return err
	}
	for len(list) > 0 {
		org, jobs := list[0].OrgID, []job.New[Args]{}
		for len(list) > 0 && list[0].OrgID == org {
			jobs = append(jobs, job.New[Args]{Args: Args{list[0].ID}, Options: list[0].options()})
			list = list[1:]
		}
		if _, err := job.AddAll(ctx, tx, id.Org{UUID: org}, Deliver, jobs); err != nil {
			return err
		}
	}
	return nil
}

func (a awake) options() job.Options {
	o := job.Options{Key: a.ID.String(), Delay: Gather}
	switch {
	case a.Tests:
		o.Delay = 0
	case a.NextTryAt != nil:
		o.At = *a.NextTryAt // a job waits for it already, and keeps an earlier time
	case a.Type == S3:
		o.Delay = gatherS3
	}
	return o
}
