package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"portico/infra/local/demo"
	"portico/infra/local/stack"
	"portico/shared/id"
)

// hook runs when the stack is up; the function that it returns runs when the
// stack stops.
type hook func(ctx context.Context, s *stack.Stack, stdout io.Writer) (done func(), err error)

// demonstrate shows one delivery and one retry, and leaves a receiver running.
func demonstrate(ctx context.Context, s *stack.Stack, stdout io.Writer) (func(), error) {
	fmt.Fprintln(stdout, "\nA delivery and a retry:")
	d, err := demo.Run(ctx, demo.Options{
		URL: s.URL, InboxURL: s.InboxURL(), StateFile: filepath.Join(s.StateDir(), "demo.json"), Out: stdout,
		Bootstrap: func(ctx context.Context, payload []byte) ([]byte, error) {
			return s.Invoke(ctx, "bootstrap", payload)
		},
		RetryNow: func(ctx context.Context, event string) error { return retryNow(ctx, s, event) },
	})
	if err != nil {
		return nil, err
	}
	return d.Close, nil
}

// retryNow makes an event's next try due, and runs the sweep, which would
// otherwise find it a minute later.
func retryNow(ctx context.Context, s *stack.Stack, event string) error {
	eventID, err := id.Parse[id.Event](event)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.DatabaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for {
		// Waits until the failed try is recorded.
		tag, err := conn.Exec(ctx, `
			UPDATE webhook_delivery SET next_retry_at = portico_now()
			WHERE event_id = $1 AND status = 'pending' AND attempts > 0`, eventID)
		if err != nil {
			return err
		}
		if tag.RowsAffected() > 0 {
			break
		}
	}
	return s.FireSchedule(ctx, "SweeperFunction")
}
