package jobtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/pg"
)

type args struct {
	Name string `json:"name"`
}

// count is the effect of jobs in these tests. Their order does not matter.
func count(ctx context.Context, tx pg.Tx, name string) error {
	return pg.Exec(ctx, tx, "count", `UPDATE organization SET version = version + $1`, map[string]int{"x": 1, "leaf": 100}[name])
}

// kinds returns kinds that bear repetition.
func kinds(w *jobtest.World) []job.Declared {
	return []job.Declared{
		job.Kind[args]{Name: "test.in_tx", Queue: job.High, Work: job.InTx(
			func(ctx context.Context, tx pg.Tx, _ job.Job, a args) error { return count(ctx, tx, a.Name) })},
		job.Kind[args]{Name: "test.call", Queue: job.Bulk, Work: job.Call(
			func(_ context.Context, j job.Job, a args) (string, error) {
				w.Outside[j.Key()] = a.Name
				return a.Name, nil
			},
			func(ctx context.Context, tx pg.Tx, _ job.Job, _ args, reply string) error {
				return count(ctx, tx, reply)
			})},
		job.Kind[args]{Name: "test.call_only", Queue: job.Billing, Work: job.Call(
			func(_ context.Context, j job.Job, a args) (int, error) {
				w.Outside[j.Key()] = a.Name
				return 0, nil
			}, nil)},
		job.Kind[args]{Name: "test.steps", Queue: job.High, Work: job.Steps(
			func(ctx context.Context, tx pg.Tx, j job.Job, a args, at int) (int, bool, error) {
				_, err := job.Add(ctx, tx, j.Org, leaf, args{fmt.Sprint(at)}, job.Options{})
				return at + 1, at < 2, errors.Join(err, count(ctx, tx, a.Name))
			})},
		leaf,
	}
}

var leaf = job.Kind[args]{Name: "test.leaf", Queue: job.High, Work: job.InTx(
	func(ctx context.Context, tx pg.Tx, _ job.Job, _ args) error { return count(ctx, tx, "leaf") })}

// adding returns the case of a kind.
func adding(name string, queue job.Queue) jobtest.Case {
	return jobtest.Case{Add: func(ctx context.Context, w *jobtest.World) error {
		return w.App.InOrg(ctx, w.Org, func(tx pg.Tx) error {
			_, err := job.Add(ctx, tx, w.Org, job.Kind[args]{Name: name, Queue: queue}, args{"x"}, job.Options{})
			return err
		})
	}}
}

var cases = map[string]jobtest.Case{
	"test.in_tx": adding("test.in_tx", job.High), "test.call": adding("test.call", job.Bulk), "test.call_only": adding("test.call_only", job.Billing),
	"test.steps": adding("test.steps", job.High), "test.leaf": adding("test.leaf", job.High),
}

// Kinds made of the three forms of work bear every trouble.
func TestFormsBearTrouble(t *testing.T) {
	t.Parallel()
	jobtest.Check(t, kinds, cases)
}

// The harness finds a kind that does something twice, one without a case, a case
// without a kind, and arguments that are not in the golden file or are no longer
// read.
func TestHarnessFindsFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		kind  func(*jobtest.World) job.Declared
		cases map[string]jobtest.Case
		want  []string
	}{
		{"a call that is not recognised", func(w *jobtest.World) job.Declared {
			return job.Kind[args]{Name: "test.call", Queue: job.Bulk, Work: job.Call(
				func(context.Context, job.Job, args) (int, error) {
					w.Outside[fmt.Sprint(len(w.Outside))] = "charged"
					return 0, nil
				}, nil)}
		}, map[string]jobtest.Case{"test.call": cases["test.call"]}, []string{"done by two runners", "dies after the call"}},
		{"an effect outside the transaction", func(w *jobtest.World) job.Declared {
			return job.Kind[args]{Name: "test.in_tx", Queue: job.High, Work: job.InTx(
				func(context.Context, pg.Tx, job.Job, args) error {
					w.Outside[fmt.Sprint(len(w.Outside))] = "charged"
					return nil
				})}
		}, map[string]jobtest.Case{"test.in_tx": cases["test.in_tx"]}, []string{"done by two runners", "dies before the commit"}},
		{"no case", func(*jobtest.World) job.Declared { return leaf }, nil, []string{"test.leaf has no case"}},
		{"no kind", func(*jobtest.World) job.Declared { return leaf }, map[string]jobtest.Case{"test.leaf": cases["test.leaf"], "test.gone": cases["test.leaf"]},
			[]string{"a case for test.gone"}},
		{"a case of another kind", func(*jobtest.World) job.Declared { return leaf }, map[string]jobtest.Case{"test.leaf": adding("test.other", job.High)},
			[]string{"adds no job of it"}},
		{"a renamed argument", func(*jobtest.World) job.Declared {
			return job.Kind[struct {
				Title string `json:"title"`
			}]{Name: "test.leaf", Queue: job.High, Work: job.InTx(func(context.Context, pg.Tx, job.Job, struct {
				Title string `json:"title"`
			}) error {
				return nil
			})}
		}, map[string]jobtest.Case{"test.leaf": cases["test.leaf"]}, []string{"can no longer read them"}},
		{"a new argument", func(*jobtest.World) job.Declared { return newer }, map[string]jobtest.Case{"test.leaf": {Add: func(ctx context.Context, w *jobtest.World) error {
			return w.App.InOrg(ctx, w.Org, func(tx pg.Tx) error {
				_, err := job.Add(ctx, tx, w.Org, newer, wider{"x", 1}, job.Options{})
				return err
			})
		}}}, []string{`add this line to testdata/args/test.leaf.json`}},
	} {
		got := jobtest.Examine(t, func(w *jobtest.World) []job.Declared { return []job.Declared{tt.kind(w)} }, tt.cases, "testdata/args")
		for _, want := range tt.want {
			if !strings.Contains(strings.Join(got, "\n"), want) {
				t.Errorf("%s: found %q, want %q", tt.name, got, want)
			}
		}
	}
}

type wider struct {
	Name string `json:"name"`
	More int    `json:"more"`
}

var newer = job.Kind[wider]{Name: "test.leaf", Queue: job.High, Work: job.InTx(func(context.Context, pg.Tx, job.Job, wider) error { return nil })}
