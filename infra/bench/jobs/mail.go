package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"portico/infra/bench/budget"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/pg"
	"portico/shared/secret"
)

// post sends mails and knows when SES got them.
type post struct {
	*bed
	ses *SES
	box *secret.Box
	run int // makes keys differ
}

// Mail returns what measures mail against its budgets; ses is where the stack sends
// to.
func Mail(ses *SES) func(context.Context, Stack) error {
	return func(ctx context.Context, s Stack) error {
		b, err := newBed(ctx, s)
		if err != nil {
			return err
		}
		defer b.close()
		p, err := newPost(ctx, b, ses)
		if err != nil {
			return err
		}
		for _, measure := range []func(context.Context) error{p.measureRender, p.measureHandover, p.measureMany, p.measureRate} {
			if err := measure(ctx); err != nil {
				return err
			}
		}
		b.report("Mail against its budgets")
		return nil
	}
}

func newPost(ctx context.Context, b *bed, ses *SES) (*post, error) {
	client := secretsmanager.New(secretsmanager.Options{
		Region: b.Region, BaseEndpoint: &b.AWSURL, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(b.Env["SEALING_SECRET"])})
	if err != nil {
		return nil, err
	}
	box, err := secret.Parse([]byte(aws.ToString(out.SecretString)))
	return &post{bed: b, ses: ses, box: box}, err
}

// measureRender renders every template in every language with each of its samples.
func (p *post) measureRender(context.Context) error {
	set, err := template.Repository()
	if err != nil {
		return err
	}
	frame := template.Frame{Brand: template.Brand{Name: "Bench"}, Organization: "Bench", Unsubscribe: "https://portico.example.com/u/token"}
	var took []time.Duration
	for round := range 21 {
		for _, t := range template.All() {
			for _, sample := range t.Samples {
				for _, locale := range set.Locales() {
					began := time.Now()
					if _, err := set.Render(template.Content{Template: t, Data: sample.Data}, locale, frame); err != nil {
						return err
					}
					if round > 0 { // the first one compiles the templates
						took = append(took, time.Since(began))
					}
				}
			}
		}
	}
	slices.Sort(took)
	p50 := float64(took[len(took)/2].Microseconds()) / 1000
	p.Add("render a mail, every template, language and sample", "p50 ≤ 0.3 ms", budget.Judge(p50 <= 0.3), "p50 %.2f ms, p99 %.2f ms", p50, budget.Percentile(took, 99))
	return nil
}

// content is what the mails say. There is no template of marketing yet, so that stream
// has the same one.
func content(stream template.Stream) template.Content {
	t := *template.MemberAdded.Template
	t.Stream = stream
	return template.Content{Template: &t, Data: t.Samples[0].Data}
}

// send sends one mail in each transaction, or many in one, and returns their ids.
func (p *post) send(ctx context.Context, db *pg.DB, c template.Content, first, n int) (ids []id.Mail, err error) {
	err = db.InOrg(ctx, p.org, func(tx pg.Tx) error {
		ids = ids[:0]
		for i := range n {
			mailID, err := mail.Send(ctx, tx, p.box, time.Now(), p.org, mail.Mail{
				To: transport.Address{Name: "Ada", Address: fmt.Sprintf("ada%d@example.com", first+i)}, Locale: []string{"en", "de"}[i%2],
				Key: fmt.Sprintf("bench/%d/%s/%d", p.run, c.Template.Stream, first+i), Content: c,
			})
			if err != nil {
				return err
			}
			ids = append(ids, mailID)
		}
		return nil
	})
	return ids, err
}

// product sends product mail at a rate and returns how long each took from the return
// of its commit until SES had it.
func (p *post) product(ctx context.Context, rate int, last time.Duration) ([]time.Duration, error) {
	p.run++
	var mu sync.Mutex
	var failed error
	at := map[string]time.Time{}
	every := time.Second / time.Duration(rate)
	var adding sync.WaitGroup
	began := time.Now()
	c := content(template.Product)
	const warmup = 2 * time.Second
	for i := 0; time.Duration(i)*every < warmup+last; i++ {
		if err := sleep(ctx, time.Until(began.Add(time.Duration(i)*every))); err != nil {
			return nil, err
		}
		adding.Go(func() {
			ids, err := p.send(ctx, p.app, c, i, 1)
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			if err == nil && time.Duration(i)*every >= warmup {
				at[ids[0].String()] = now
			}
		})
	}
	adding.Wait()
	if failed != nil {
		return nil, failed
	}
	return p.arrived(ctx, at)
}

// arrived waits until SES has mails.
func (p *post) arrived(ctx context.Context, at map[string]time.Time) (all []time.Duration, err error) {
	for giveUp := time.Now().Add(30 * time.Second); len(all) < len(at); {
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
		all = all[:0]
		p.ses.mu.Lock()
		for mail, committed := range at {
			if got := p.ses.mails[mail]; len(got) > 0 {
				all = append(all, max(0, got[0].Sub(committed)))
			}
		}
		p.ses.mu.Unlock()
		if time.Now().After(giveUp) {
			return nil, fmt.Errorf("%d of %d mails have not arrived", len(at)-len(all), len(at))
		}
	}
	return all, nil
}

// measureHandover measures the time from a commit until SES has the mail.
func (p *post) measureHandover(ctx context.Context) error {
	const rate = 50
	p.Progress("commit → SES at %d/s …", rate)
	all, err := p.product(ctx, rate, p.lasts(12*time.Second))
	if err != nil {
		return err
	}
	p99 := budget.Percentile(all, 99)
	p.bed.Add(fmt.Sprintf("commit → local SES at %d/s", rate), "p99 ≤ 50 ms", budget.Judge(p99 <= 50), "%s", budget.Percentiles(all))
	return nil
}

func (p *post) lasts(d time.Duration) time.Duration {
	if p.Short {
		return d / 4
	}
	return d
}

// marketing adds n mails for the queue bulk and wakes its runners.
func (p *post) marketing(ctx context.Context, n int) error {
	p.run++
	const chunk = 500
	for first := 0; first < n; first += chunk {
		if _, err := p.send(ctx, p.silent, content(template.Marketing), first, min(chunk, n-first)); err != nil {
			return err
		}
	}
	if _, err := p.DB.Exec(ctx, `CHECKPOINT`); err != nil {
		return err
	}
	return p.wakers[job.Bulk].Wake(ctx)
}

// many is how many mails are sent at once.
func (p *post) many() int {
	if p.Short {
		return 1000
	}
	return 10_000
}

// measureMany measures how fast a mailing goes out without a limit.
func (p *post) measureMany(ctx context.Context) error {
	n := p.many()
	p.Progress("%d mails without a limit …", n)
	if err := p.awaitSleep(ctx); err != nil {
		return err
	}
	if err := job.SetRate(ctx, p.worker, job.Throttle{Name: sesThrottle, PerSecond: 1e6, Burst: 1e6}); err != nil {
		return err
	}
	p.ses.take()
	began := time.Now()
	if err := p.marketing(ctx, n); err != nil {
		return err
	}
	p.Progress("  they were added in %s", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	for p.ses.count() < n {
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
		if time.Since(began) > 5*time.Minute {
			return fmt.Errorf("%d of %d mails arrived in five minutes", p.ses.count(), n)
		}
	}
	perSecond := float64(n) / time.Since(began).Seconds()
	if err := p.awaitDone(ctx, job.Bulk, time.Minute); err != nil {
		return err
	}
	again := 0
	for _, times := range p.ses.take() {
		again += len(times) - 1
	}
	p.bed.Add(fmt.Sprintf("%d mails of one organization, no limit", n), "≥ 500/s", budget.Judge(perSecond >= 500), "%.0f/s (%d handed over twice)", perSecond, again)
	return nil
}
