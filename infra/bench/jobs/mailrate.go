package jobs

import (
	"context"
	"fmt"
	"math"
	"time"

	"portico/infra/bench/budget"
	"portico/shared/job"
)

// sesThrottle is the name of the throttle of mail.
const sesThrottle = "ses"

// measureRate sends a mailing at a set rate, of which the queue bulk may use four
// fifths, and product mail beside it and without it, by turns.
func (p *post) measureRate(ctx context.Context) error {
	const perSecond, share, rate = 300, 0.8, 20
	if err := job.SetRate(ctx, p.worker, job.Throttle{Name: sesThrottle, PerSecond: perSecond, Burst: perSecond / 10}); err != nil {
		return err
	}
	turns, last := 3, p.lasts(10*time.Second)
	if p.Short {
		turns = 1
	}
	var ratios, rates []float64
	var beside, without []time.Duration
	for turn := range turns {
		p.Progress("product mail at %d/s beside a mailing at %.0f/s, turn %d of %d …", rate, perSecond*share, turn+1, turns)
		if err := p.awaitSleep(ctx); err != nil {
			return err
		}
		alone, err := p.product(ctx, rate, last)
		if err != nil {
			return err
		}
		p.ses.take()
		if err := p.marketing(ctx, int(perSecond*share*(last.Seconds()+6))); err != nil {
			return err
		}
		began := time.Now()
		crowded, err := p.product(ctx, rate, last)
		if err != nil {
			return err
		}
		rates = append(rates, p.arrivedBetween(began.Add(2*time.Second), began.Add(2*time.Second+last))-rate)
		if err := p.awaitDone(ctx, job.Bulk, time.Minute); err != nil {
			return err
		}
		beside, without = append(beside, crowded...), append(without, alone...)
		ratios = append(ratios, budget.Percentile(crowded, 99)/budget.Percentile(alone, 99))
	}
	wanted := perSecond * share
	p.bed.Add(fmt.Sprintf("a mailing at a set rate: four fifths of %d/s", perSecond), "within 3 %", budget.Judge(math.Abs(budget.Median(rates)/wanted-1) <= 0.03), "%.1f/s, wanted %.0f/s", budget.Median(rates), wanted)
	p.bed.Add("product mail beside it", "p99 ≤ 1.2 ×", budget.Judge(budget.Percentile(beside, 99) <= 1.2*budget.Percentile(without, 99)), "%s; without it %s; ratio of p99 %.2f, of the turns %s",
		budget.Percentiles(beside), budget.Percentiles(without), budget.Percentile(beside, 99)/budget.Percentile(without, 99), budget.Span(ratios))
	return nil
}

// arrivedBetween is how many mails SES got in a second.
func (p *post) arrivedBetween(from, to time.Time) float64 {
	p.ses.mu.Lock()
	defer p.ses.mu.Unlock()
	n := 0
	for _, times := range p.ses.mails {
		for _, at := range times {
			if !at.Before(from) && at.Before(to) {
				n++
			}
		}
	}
	return float64(n) / to.Sub(from).Seconds()
}
