package mail

import (
	"context"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// liftArgs are the arguments of the job that removes an address at the mail service.
type liftArgs struct {
	Recipient string `json:"recipient"`
}

// LiftKind is the kind of the job that removes an address from the list of the mail
// service.
const LiftKind = "mail.lift_suppression"

var liftKind = job.Kind[liftArgs]{Name: LiftKind, Queue: job.High, Platform: true}

// lift adds the job that removes an address at the mail service, if nothing else
// keeps it there.
func lift(ctx context.Context, tx pg.Tx, s Suppression) error {
	kept, err := pg.List[Suppression](ctx, tx, "mail.lift", `SELECT * FROM list_mail_suppressions(NULL, $1, '', '', '', 10)`, s.Recipient)
	if err != nil || s.Reason != Bounce && s.Reason != Complaint {
		return err
	}
	for _, k := range kept {
		if k.Reason == Bounce || k.Reason == Complaint {
			return nil
		}
	}
	_, err = job.Add(ctx, tx, id.Org{}, liftKind, liftArgs{s.Recipient}, job.Options{})
	return err
}

func (s *Sender) liftSuppression() job.Kind[liftArgs] {
	kind := liftKind
	kind.Work = job.Call(func(ctx context.Context, _ job.Job, args liftArgs) (struct{}, error) {
		if s.List == nil {
			return struct{}{}, nil // the service keeps no list
		}
		return struct{}{}, s.List.Delete(ctx, args.Recipient)
	}, nil)
	return kind
}
