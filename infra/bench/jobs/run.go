package jobs

import (
	"context"
	"time"
)

// Run measures jobs and prints a table.
func Run(ctx context.Context, s Stack) error {
	b, err := newBed(ctx, s)
	if err != nil {
		return err
	}
	defer b.close()
	if b.river, err = s.startRiver(ctx); err != nil {
		s.Progress("%v", err)
	}
	for _, measure := range []func(context.Context) error{
		b.measureDrain, b.measurePickup, b.measureAdd, b.measureBeside, b.measureThrottle, b.measureKilled, b.measureIdle(time.Minute),
	} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	b.report("Jobs against their budgets")
	return nil
}
