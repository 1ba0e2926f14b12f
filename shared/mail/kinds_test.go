package mail_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/pg"
)

// recorded is a service that recognises repetitions, and keeps what it got in a
// world's Outside.
type recorded struct{ w *jobtest.World }

func (recorded) Dedupes() bool { return true }

func (r recorded) Send(_ context.Context, m transport.Message) (string, error) {
	r.w.Outside[m.ID] = m.Subject
	return "p", nil
}

// listed is the list of a mail service with two pages. It keeps in a world's Outside what
// was removed.
type listed struct{ w *jobtest.World }

func (l listed) Page(_ context.Context, token string) ([]transport.Suppressed, string, error) {
	if token == "" {
		return []transport.Suppressed{{Address: "ada@example.com"}}, "2", nil
	}
	return []transport.Suppressed{{Address: "Bob@example.com", Complaint: true}, {Address: "carol@example.com"}}, "", nil
}

func (l listed) Delete(_ context.Context, address string) error {
	l.w.Outside[address] = "removed"
	return nil
}

// The jobs that send mail bear every trouble.
func TestKinds(t *testing.T) {
	t.Parallel()
	kinds := func(w *jobtest.World) []job.Declared {
		var db *pg.DB
		if w.Database != nil { // at first only the names are asked for
			db = w.App
		}
		sender := newSender(t, db, newBox(t), recorded{w})
		sender.Account = func(context.Context) (transport.Account, error) {
			return transport.Account{PerSecond: 100, PerDay: 10, Sent: 9}, nil
		}
		sender.List = listed{w}
		return sender.Kinds()
	}
	sends := func(stream template.Stream) jobtest.Case {
		return jobtest.Case{Add: func(ctx context.Context, w *jobtest.World) error {
			m := added("k")
			streamed := *m.Content.Template
			streamed.Stream = stream
			m.Content.Template = &streamed
			return w.App.InOrg(ctx, w.Org, func(tx pg.Tx) error {
				_, err := mail.Send(ctx, tx, newBox(t), w.Clock.Now(), w.Org, m)
				return err
			})
		}}
	}
	ofPlatform := jobtest.Case{Add: func(ctx context.Context, w *jobtest.World) error {
		return w.App.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
			_, err := mail.Send(ctx, tx, newBox(t), w.Clock.Now(), id.Org{}, verify("k"))
			return err
		})
	}}
	reads := jobtest.Case{Add: func(ctx context.Context, w *jobtest.World) error {
		return pgx.BeginFunc(ctx, w.Worker, func(tx pgx.Tx) error {
			_, err := job.AddEncoded(ctx, tx, id.Org{}, job.High, mail.ReadAccountKind, []byte("{}"), job.Options{})
			return err
		})
	}}
	lifts := jobtest.Case{Add: func(ctx context.Context, w *jobtest.World) error {
		return pgx.BeginFunc(ctx, w.Worker, func(tx pgx.Tx) error {
			_, err := job.AddEncoded(ctx, tx, id.Org{}, job.High, mail.LiftKind, []byte(`{"recipient":"ada@example.com"}`), job.Options{})
			return err
		})
	}}
	compares := jobtest.Case{Add: func(ctx context.Context, w *jobtest.World) error {
		w.Exec(t, `INSERT INTO mail_suppression_lifted (recipient) VALUES ('carol@example.com')`)
		return pgx.BeginFunc(ctx, w.Worker, func(tx pgx.Tx) error {
			_, err := job.AddEncoded(ctx, tx, id.Org{}, job.High, mail.CompareKind, []byte("{}"), job.Options{})
			return err
		})
	}}
	jobtest.Check(t, kinds, map[string]jobtest.Case{
		"mail.send": sends(template.Product), "mail.send_marketing": sends(template.Marketing), "mail.send_platform": ofPlatform, mail.ReadAccountKind: reads, mail.LiftKind: lifts, mail.CompareKind: compares,
	})
}
