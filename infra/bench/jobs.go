package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"syscall"

	"portico/infra/bench/cost"
	"portico/infra/bench/jobs"
	"portico/infra/local/stack"
)

// slots is how many jobs a runner does at a time in the comparison with River, as
// River's workers.
const slots = "500"

// jobBudgets measures jobs against their budgets, beside River.
func jobBudgets(ctx context.Context, o options) error {
	return onJobs(ctx, o, settings{Schedules: true, Slots: slots}, jobs.Run)
}

// mailBudgets measures mail against its budgets, with the product's settings.
func mailBudgets(ctx context.Context, o options) error {
	ses, err := jobs.NewSES()
	if err != nil {
		return err
	}
	defer ses.Close()
	return onJobs(ctx, o, settings{Schedules: true, SES: ses.URL}, jobs.Mail(ses))
}

// jobSoak looks what becomes of jobs and mails while runners and Postgres are killed.
func jobSoak(ctx context.Context, o options) error {
	ses, err := jobs.NewSES()
	if err != nil {
		return err
	}
	defer ses.Close()
	return onJobs(ctx, o, settings{Schedules: true, SES: ses.URL, Log: "log"}, jobs.Soak(ses))
}

// jobGrowth measures claims beside a million scheduled and ten million finished jobs.
func jobGrowth(ctx context.Context, o options) error {
	return onJobs(ctx, o, settings{}, jobs.Growth)
}

// idle counts for three minutes what the stack asks Postgres without work.
func idle(ctx context.Context, o options) error {
	return onJobs(ctx, o, settings{Schedules: true}, jobs.Idle)
}

// onJobs runs a measurement of jobs on a stack whose functions know the kinds of
// bench.
func onJobs(ctx context.Context, o options, set settings, measure func(context.Context, jobs.Stack) error) error {
	set.Socket = "jobs.sock"
	b, err := start(ctx, o, set)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.countStatements(ctx); err != nil {
		return err
	}
	return measure(ctx, b.jobStack())
}

// withKinds has the functions that do jobs, with the kinds of bench.
var withKinds = map[string]string{
	"JobsHighFunction": "infra/bench/functions/jobs-high",
	"JobsBulkFunction": "infra/bench/functions/jobs-bulk",
	"SweeperFunction":  "infra/bench/functions/sweeper",
}

func (s settings) code() map[string]string {
	if s.Socket == "" {
		return nil
	}
	return withKinds
}

// jobStack is the stack as the measurements of jobs need it.
func (b *bench) jobStack() jobs.Stack {
	return jobs.Stack{
		AWSURL: b.AWSURL, DatabaseURL: b.DatabaseURL, Region: stack.Region, Env: b.Env, DB: b.db, Socket: filepath.Join(b.dir, "jobs.sock"),
		Seed: b.seed, Short: b.short, Progress: progress, RestartPostgres: b.restartPostgres,
		Call: func(ctx context.Context, method, path string) ([]byte, error) {
			status, reply, err := b.call(ctx, method, path, nil)
			if err == nil && status >= http.StatusBadRequest {
				err = fmt.Errorf("%s %s: %d %s", method, path, status, reply)
			}
			return reply, err
		},
		Kill: func(pid int) bool {
			return cost.ParentOf(pid) == b.process.Process.Pid && syscall.Kill(pid, syscall.SIGKILL) == nil
		},
	}
}
