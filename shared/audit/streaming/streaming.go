// Package streaming sends batches of the audit log to systems of customers: HTTPS
// servers, Splunk, Datadog and S3.
package streaming

import (
	"context"
	"errors"

	"portico/shared/audit/stream"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/secret"
)

// Deliverer does the jobs of streams.
type Deliverer struct {
	DB     *pg.DB
	Box    *secret.Box
	Sender *Sender
	// Told is called in the transaction in which a stream was paused, because access was
	// denied.
	Told func(ctx context.Context, tx pg.Tx, org id.Org, s stream.Stream) error
}

// sent is a batch and what became of it.
type sent struct {
	batch   stream.Batch
	outcome stream.Outcome
	gone    bool // the stream was deleted
}

// Kind is stream.Deliver with its work.
func (d Deliverer) Kind() job.Declared {
	kind := stream.Deliver
	kind.Work = job.Call(d.send, d.settle)
	return kind
}

// send sends the next batch. That it was not accepted is no error of the job: the stream
// says when to try again, however long that takes.
func (d Deliverer) send(ctx context.Context, j job.Job, a stream.Args) (s sent, err error) {
	err = d.DB.InOrg(ctx, j.Org, func(tx pg.Tx) error {
		s.batch, err = stream.Load(ctx, tx, j.Org, a.Stream, d.Box)
		return err
	})
	switch {
	case errors.Is(err, stream.ErrNotFound):
		return sent{gone: true}, nil
	case errors.Is(err, secret.ErrSealed):
		s.outcome.Error = "the secret of the stream cannot be read: set it again"
		return s, nil
	case err != nil || len(s.batch.Entries) == 0:
		return s, err
	}
	s.outcome = d.Sender.Send(ctx, s.batch)
	return s, nil
}

func (d Deliverer) settle(ctx context.Context, tx pg.Tx, j job.Job, _ stream.Args, s sent) error {
	if s.gone {
		return nil
	}
	now, paused, err := stream.Settle(ctx, tx, j.Org, s.batch, s.outcome)
	if err != nil || !paused {
		return err
	}
	return d.Told(ctx, tx, j.Org, now)
}
