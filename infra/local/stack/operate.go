package stack

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/infra/local/aws"
	"portico/infra/local/lambda"
	"portico/infra/local/services"
	"portico/infra/local/template"
)

// function finds one by logical id, by name, or by name without the stack's.
func function(t *template.Template, name string) (template.Function, bool) {
	for _, candidate := range []string{name, t.StackName + "-" + name} {
		if f, ok := t.Function(candidate); ok {
			return f, true
		}
	}
	return template.Function{}, false
}

func (s *Stack) function(name string) (*lambda.Function, error) {
	f, ok := function(s.Template, name)
	if !ok {
		return nil, fmt.Errorf("%w: %s", aws.ErrNoFunction, name)
	}
	return s.host.Function(f.Name), nil
}

// Invoke runs a function once; see lambda.Function.Invoke for the errors.
func (s *Stack) Invoke(ctx context.Context, name string, payload []byte) ([]byte, error) {
	return s.invokeByName(ctx, name, payload)
}

func (s *Stack) invokeByName(ctx context.Context, name string, payload []byte) ([]byte, error) {
	f, err := s.function(name)
	if err != nil {
		return nil, err
	}
	return f.Invoke(ctx, payload)
}

// Processes returns the process ids of a function, none for an unknown one.
func (s *Stack) Processes(name string) []int {
	f, err := s.function(name)
	if err != nil {
		return nil
	}
	return f.PIDs()
}

// Stats returns the counters of a function.
func (s *Stack) Stats(name string) (lambda.Stats, error) {
	f, err := s.function(name)
	if err != nil {
		return lambda.Stats{}, err
	}
	return f.Stats(), nil
}

// Kill ends all processes of a function with SIGKILL, as a crash would.
func (s *Stack) Kill(name string) error {
	f, err := s.function(name)
	if err != nil {
		return err
	}
	f.Kill()
	return nil
}

// Queue returns a queue by name or logical id, nil when there is none.
func (s *Stack) Queue(name string) *aws.Queue {
	for _, q := range s.Template.Queues {
		if name == q.LogicalID || name == q.Name {
			return s.aws.Queue(q.Name)
		}
	}
	return nil
}

// Mailbox holds the mails that were sent.
func (s *Stack) Mailbox() *aws.Mailbox { return s.aws.Mailbox() }

// Account is what SES allows.
func (s *Stack) Account() aws.Account { return s.aws.Account() }

// SetAccount changes what SES allows.
func (s *Stack) SetAccount(a aws.Account) { s.aws.SetAccount(a) }

// Report makes something become of a mail; see aws.Server.Report.
func (s *Stack) Report(mail, event string) error { return s.aws.Report(mail, event) }

// InboxURL is the page that shows the inbox's deliveries.
func (s *Stack) InboxURL() string { return s.URL + inboxPath }

// SignInURL is the page on which people sign in.
func (s *Stack) SignInURL() string { return localPages(s.URL) + "/sign-in" }

// FireSchedule runs the function of a schedule, and waits for it. The name is
// the schedule's logical id (SweeperFunctionEveryMinute) or that of its
// function.
func (s *Stack) FireSchedule(ctx context.Context, name string) error {
	f, known := function(s.Template, name)
	for _, schedule := range s.Template.Schedules {
		if schedule.LogicalID != name && (!known || schedule.Function != f.Name) {
			continue
		}
		if _, err := s.host.Function(schedule.Function).Invoke(ctx, []byte(schedule.Input)); err != nil {
			return fmt.Errorf("schedule %s: %w", schedule.LogicalID, err)
		}
		return nil
	}
	return fmt.Errorf("%w: %s", errNoSchedule, name)
}

var errNoSchedule = fmt.Errorf("there is no such schedule")

// RestartPostgres ends Postgres as a crash would and starts it again on the
// same port.
func (s *Stack) RestartPostgres(ctx context.Context) error {
	if s.postgres == nil {
		return fmt.Errorf("this stack has no Postgres")
	}
	return s.postgres.Restart(ctx)
}

// clockVariable is the environment variable that holds the offset.
const clockVariable = "PORTICO_CLOCK_OFFSET"

// drain is the time for which functions may still finish with the old clock.
const drain = 10 * time.Second

// SetClockOffset sets the stack's clock to the real time plus an offset, in all
// databases and in the functions, whose processes are replaced.
func (s *Stack) SetClockOffset(ctx context.Context, offset time.Duration) error {
	if s.postgres != nil {
		databases := []string{s.DatabaseURL}
		for _, name := range s.opts.Databases {
			databases = append(databases, s.postgres.AdminURLOf(services.Other(name)))
		}
		for _, url := range databases {
			if err := setClock(ctx, url, offset); err != nil {
				return err
			}
		}
	}
	s.offset.Store(int64(offset))
	s.host.Recycle(map[string]string{clockVariable: offset.String()}, drain)
	return nil
}

// setClock sets the clock of one database.
func setClock(ctx context.Context, url string, offset time.Duration) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	tag, err := conn.Exec(ctx, `UPDATE clock SET clock_offset = $1 * interval '1 microsecond'`, offset.Microseconds())
	if err != nil {
		return fmt.Errorf("cannot set the clock of Postgres: %w", err)
	}
	if tag.RowsAffected() != 1 {
		return fmt.Errorf("the table clock has %d rows, not one", tag.RowsAffected())
	}
	return nil
}

// now is the time of the stack's clock.
func (s *Stack) now() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

// readClock gives the functions the offset of an earlier run, which Postgres has
// stored.
func (s *Stack) readClock(ctx context.Context) error {
	if s.postgres == nil {
		return nil
	}
	conn, err := pgx.Connect(ctx, s.DatabaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var there bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass('clock') IS NOT NULL`).Scan(&there); err != nil || !there {
		return err
	}
	var microseconds int64
	if err := conn.QueryRow(ctx, `SELECT (extract(epoch FROM clock_offset) * 1000000)::bigint FROM clock`).Scan(&microseconds); err != nil {
		return err
	}
	if offset := time.Duration(microseconds) * time.Microsecond; offset != 0 {
		s.opts.Progress("the clock is set %v ahead, from an earlier run; POST %s/_local/clock?offset=0s sets it back", offset, s.URL)
		s.offset.Store(int64(offset))
		s.host.Recycle(map[string]string{clockVariable: offset.String()}, drain)
	}
	return nil
}
