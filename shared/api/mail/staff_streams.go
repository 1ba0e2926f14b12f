package mail

import (
	"context"
	"net/http"
	"sync"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/pg"
)

// ResumeMarketing is POST /v1/staff/deliverability/resume-marketing.
var ResumeMarketing = edge.Write[resumeMarketingInput, resumeMarketingOutput]{
	Op: edge.Op{
		ID: "resumeMarketing", Method: http.MethodPost, Path: "/v1/staff/deliverability/resume-marketing", Function: function, Acts: edge.OnPlatform,
		Example:    `{"reason":"the old list is no longer used"}`,
		Permission: auth.MailWrite, Cost: 1, Audit: "mail_stream.resume", AddsJobs: true, Tag: Tag, Summary: "Send marketing again",
		Description: "#resumeMarketing",
	},
	Handle: resumeMarketing,
}

type resumeMarketingInput struct {
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, for the audit log." example:"the old list is no longer used"`
	}
}

type resumeMarketingOutput struct {
	Body struct {
		Resumed bool `json:"resumed" doc:"false: it was not paused, and nothing has changed."`
	}
}

// Resolve hands the input to the frame.
func (in *resumeMarketingInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *resumeMarketingInput) Check(*edge.Call) error {
	return edge.CheckText("body.reason", &in.Body.Reason)
}

// streamName is a stream as the target of an audit entry.
type streamName string

func (n streamName) String() string { return string(n) }

func resumeMarketing(c *edge.Call, in *resumeMarketingInput) (*resumeMarketingOutput, error) {
	before, err := mail.ResumeMarketing(c, c.Tx, c.DB)
	if err != nil {
		return nil, err
	}
	was := audit.Fields{"paused_at": nil}
	if before != nil {
		was = audit.Fields{"paused_at": clock.Stamp(before.PausedAt), "paused_by": before.PausedBy, "pause_reason": before.PauseReason}
	}
	c.Audit(was, audit.Fields{"paused_at": nil, "reason": in.Body.Reason}, audit.Of("mail_stream", streamName(mail.Marketing)))
	out := new(resumeMarketingOutput)
	out.Body.Resumed = before != nil
	return out, nil
}

type mailRatesBody struct {
	Delivered     int64    `json:"delivered" doc:"How many mails arrived." example:"4980"`
	Bounced       int64    `json:"bounced" doc:"How many bounced for good." example:"20"`
	Complained    int64    `json:"complained" doc:"How many were reported as spam." example:"1"`
	BounceRate    *float64 `json:"bounce_rate" doc:"Which part bounced; null: fewer than 100 mails." example:"0.004"`
	ComplaintRate *float64 `json:"complaint_rate" doc:"Which part was reported as spam; null: fewer than 1,000 mails." example:"0.0002"`
}

type mailWeekBody struct {
	From  clock.Stamp   `json:"from" format:"date-time" doc:"When its first day began; the week has seven days, in UTC."`
	Rates mailRatesBody `json:"rates" doc:"What the mail service reported in these days."`
}

type streamRatesBody struct {
	Stream  string         `json:"stream" enum:"product,marketing" doc:"product: people wait for its mail. marketing: they do not."`
	Present mailRatesBody  `json:"present" doc:"The last seven days, but not before marketing was last resumed. These rates pause marketing."`
	Weeks   []mailWeekBody `json:"weeks" nullable:"false" doc:"The last four weeks, the newest first; it ends today."`
}

func showRates(r mail.Rates) mailRatesBody {
	b := mailRatesBody{Delivered: r.Delivered, Bounced: r.Bounced, Complained: r.Complained}
	if r.KnowsBounces() {
		b.BounceRate = new(r.Bounces())
	}
	if r.KnowsComplaints() {
		b.ComplaintRate = new(r.Complaints())
	}
	return b
}

// weeks is how many weeks are shown.
const weeks = 4

// showStream shows what became of a stream's mails. today is the beginning of the day.
func showStream(stream string, days []mail.Day, today time.Time) streamRatesBody {
	var present mail.Rates
	var byWeek [weeks]mail.Rates
	for _, d := range days {
		week := int(today.Sub(d.Day)/(24*time.Hour)) / mail.RateDays
		if week < 0 || week >= weeks {
			continue
		}
		byWeek[week] = byWeek[week].With(d)
		if week == 0 && d.Present {
			present = present.With(d)
		}
	}
	b := streamRatesBody{Stream: stream, Present: showRates(present)}
	for i, r := range byWeek {
		b.Weeks = append(b.Weeks, mailWeekBody{clock.Stamp(today.AddDate(0, 0, 1-mail.RateDays*(i+1))), showRates(r)})
	}
	return b
}

// streams are those of template.Stream.
var streams = []string{string(template.Product), string(template.Marketing)}

// reputation is what one database knows of the mails that were sent.
type reputation struct {
	pause *mail.Pause
	days  map[string][]mail.Day // by stream
}

// reputations asks all databases at the same time, because each counts and stops
// marketing by itself. silent are those that did not answer.
func reputations(c *edge.Call) (pauses []marketingPauseBody, shown []streamRatesBody, silent []string) {
	ctx, cancel := context.WithTimeout(c, askAtMost)
	defer cancel()
	names := c.DB.All().Names()
	found, errs := make([]reputation, len(names)), make([]error, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() {
			errs[i] = c.DB.PlatformIn(ctx, name, func(tx pg.Tx) (err error) {
				found[i], err = reputationIn(ctx, tx)
				return err
			})
		})
	}
	group.Wait()
	pauses = []marketingPauseBody{}
	days := map[string][]mail.Day{}
	for i, name := range names {
		if errs[i] != nil {
			silent = append(silent, name)
			continue
		}
		if p := found[i].pause; p != nil {
			pauses = append(pauses, marketingPauseBody{name, clock.Stamp(p.PausedAt), p.PausedBy, p.PauseReason})
		}
		for _, stream := range streams {
			days[stream] = mail.AddDays(days[stream], found[i].days[stream])
		}
	}
	today := c.Clock.Now().UTC().Truncate(24 * time.Hour)
	for _, stream := range streams {
		shown = append(shown, showStream(stream, days[stream], today))
	}
	return pauses, shown, silent
}

func reputationIn(ctx context.Context, tx pg.Tx) (r reputation, err error) {
	if r.pause, err = mail.MarketingPause(ctx, tx); err != nil {
		return r, err
	}
	r.days = map[string][]mail.Day{}
	for _, stream := range streams {
		if r.days[stream], err = mail.DaysIn(ctx, tx, stream, weeks*mail.RateDays); err != nil {
			return r, err
		}
	}
	return r, nil
}
