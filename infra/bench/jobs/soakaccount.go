package jobs

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"portico/infra/bench/kinds"
	"portico/shared/id"
)

func (k *soaking) problem(format string, args ...any) {
	k.problems = append(k.problems, fmt.Sprintf(format, args...))
}

// account compares what was added with what became of it.
func (k *soaking) account(ctx context.Context, took time.Duration) error {
	fmt.Printf("\nsoak of jobs and mail: %s, %d processes killed, Postgres down for %s, %d transactions failed meanwhile\n\n",
		took.Round(time.Second), k.killed, k.down.Round(time.Millisecond), k.uncertain)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "kind\tadded\tsucceeded\tdead\teffects\teffects twice\thandler ran again")
	ran := map[string]int{}
	_, all := k.ran.take()
	for _, r := range all {
		ran[r.Job]++
	}
	for _, s := range soaked {
		if err := k.accountKind(ctx, t, s.kind.Name, ran); err != nil {
			return err
		}
	}
	_ = t.Flush() // a terminal that is gone
	if err := k.accountMails(ctx); err != nil {
		return err
	}
	if len(k.problems) > 0 {
		return fmt.Errorf("the soak found differences:\n%s", strings.Join(k.problems[:min(len(k.problems), 20)], "\n"))
	}
	fmt.Println("every job has finished or is dead; every effect happened exactly once; every mail was handed over")
	return nil
}

// fate is what became of jobs of a kind.
type fate struct{ succeeded, dead, effects, twice, lacking int }

func (k *soaking) accountKind(ctx context.Context, t *tabwriter.Writer, kind string, ran map[string]int) error {
	steps := map[string]int{kinds.Count.Name: 1, kinds.Called.Name: 1, kinds.Stepped.Name: stepsWanted}[kind]
	var f fate
	err := k.DB.QueryRow(ctx, `
		WITH done AS (SELECT id, count(*) AS times FROM job_log WHERE kind = $1 AND outcome = 'succeeded' GROUP BY id),
		effect AS (SELECT job_id, step, count(*) AS times FROM bench_effect GROUP BY job_id, step),
		of_job AS (SELECT d.id, d.times, count(e.step) AS steps, coalesce(max(e.times), 0) AS most FROM done d LEFT JOIN effect e ON e.job_id = d.id GROUP BY d.id, d.times)
		SELECT (SELECT coalesce(sum(times), 0) FROM done)::int, (SELECT count(*) FROM job WHERE kind = $1 AND status = 'dead')::int,
			coalesce(sum(steps), 0)::int, count(*) FILTER (WHERE most > 1 OR times > 1)::int, count(*) FILTER (WHERE steps <> $2)::int FROM of_job`, kind, steps).
		Scan(&f.succeeded, &f.dead, &f.effects, &f.twice, &f.lacking)
	if err != nil {
		return err
	}
	if f.twice > 0 || f.lacking > 0 {
		k.problem("%s: %d jobs have an effect twice, %d have more or fewer than %d", kind, f.twice, f.lacking, steps)
	}
	var missing int
	err = k.DB.QueryRow(ctx, `
		SELECT count(*)::int FROM unnest($1::uuid[]) AS a (id)
		WHERE NOT EXISTS (SELECT FROM job_log l WHERE l.id = a.id) AND NOT EXISTS (SELECT FROM job j WHERE j.id = a.id AND j.status = 'dead')`, k.accepted[kind]).Scan(&missing)
	if err != nil {
		return err
	}
	if missing > 0 {
		k.problem("%s: %d jobs whose transaction has committed are neither finished nor dead", kind, missing)
	}
	again := 0
	for _, added := range k.accepted[kind] {
		again += max(0, ran[added.String()]-1)
	}
	fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", kind, len(k.accepted[kind]), f.succeeded, f.dead, f.effects, f.twice, again)
	return nil
}

// accountMails compares the log of mails with what SES got. A mail that arrived twice
// must have been handed over as often: its answer was lost, or its process killed
// before it could write the answer down.
func (k *soaking) accountMails(ctx context.Context) error {
	got := k.ses.take()
	rows, err := k.DB.Query(ctx, `SELECT id, status, handovers FROM mail`)
	if err != nil {
		return err
	}
	defer rows.Close()
	statuses, twice, logged := map[string]int{}, 0, map[id.Mail]bool{}
	for rows.Next() {
		var mailID id.Mail
		var status string
		var handovers int
		if err := rows.Scan(&mailID, &status, &handovers); err != nil {
			return err
		}
		arrived := len(got[mailID.String()])
		logged[mailID] = true
		statuses[status]++
		switch {
		case status == "sent" && arrived == 0:
			k.problem("%s is logged as sent, but SES did not get it", mailID)
		case arrived > handovers:
			k.problem("%s arrived %d times, but was handed over %d times by the log", mailID, arrived, handovers)
		case status != "sent" && status != "unknown":
			k.problem("%s has ended as %s", mailID, status)
		}
		if arrived > 1 {
			twice++
		}
	}
	for added := range k.mails {
		if !logged[added] {
			k.problem("%s was added, but is not in the log", added)
		}
	}
	fmt.Printf("\n%d mails added; in the log %v; %d of them reached SES more than once, each as often as the log's handovers say\n\n", len(k.mails), statuses, twice)
	return rows.Err()
}
