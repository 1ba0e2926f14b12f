package erasure

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/mail"
	"portico/shared/pg"
	"portico/shared/webhook"
	"portico/shared/webhook/filter"
)

const (
	// mailsAtOnce bounds the mails that a step looks at, and readAtOnce the events.
	mailsAtOnce = 5000
	readAtOnce  = 500
	// matchAtOnce bounds the events whose data are in memory, each of at most
	// event.MaxData.
	matchAtOnce = 50
	// expungeAtOnce bounds the events that a step expunges, and so how long it holds
	// their locks.
	expungeAtOnce = 25
	// stragglersFor is how long after its id was made an event can still be committed,
	// and how long after its time a mail: see claim.quietFor.
	stragglersFor = 2 * time.Minute
	// stepAtMost bounds how long a step takes.
	stepAtMost = 25 * time.Second
)

// Args are the arguments of an erasure's job. They stay in the log of jobs, so they do
// not name the person.
type Args struct {
	Erasure id.Erasure `json:"erasure"`
}

// Kind is the job of an erasure. What a step removes and the place that it has reached
// commit together, so a killed one continues without a gap, and counts nothing twice.
var Kind = job.Kind[Args]{
	Name: "erasure.run", Queue: job.Bulk, Timeout: stepAtMost, PerOrg: 2,
	Work: job.Steps(step),
}

// step does the next page. The place is in the erasure's row, where customers see it.
func step(ctx context.Context, tx pg.Tx, j job.Job, args Args, _ struct{}) (none struct{}, more bool, err error) {
	r, now, err := lock(ctx, tx, j.Org, args.Erasure)
	if errors.Is(err, ErrNotFound) || err == nil && r.Status != Running {
		return none, false, nil
	}
	if err != nil {
		return none, false, err
	}
	p := page{tx: tx, org: j.Org, r: &r, now: now}
	do := p.events
	if r.MailsDoneAt == nil {
		do = p.mails
	}
	if err := do(ctx); err != nil {
		return none, false, err
	}
	j.Progress(r.Examined, 0, "")
	return none, r.Status == Running, r.save(ctx, tx, j.Org)
}

// page is one step of an erasure.
type page struct {
	tx  pg.Tx
	org id.Org
	r   *Erasure
	now time.Time // of the database
}

// settled returns up to which time all has been committed. A dry run does not wait for
// the last ones.
func (p page) settled() time.Time {
	if p.r.DryRun {
		return p.now
	}
	return p.now.Add(-stragglersFor)
}

// mails expunges the next mails, in the order of their ids, which have no order in time.
// It begins when all have been committed. The mails are done when a step finds none:
// then those of the steps before are committed, and no report about them becomes an
// event any more.
func (p page) mails(ctx context.Context) error {
	if wait := p.r.Until.Sub(p.settled()); wait > 0 {
		return job.Snooze(wait)
	}
	all := mail.Expunging{Recipient: *p.r.Recipient, Since: p.r.Since, Until: p.r.Until, After: p.r.LastMailID, DryRun: p.r.DryRun}
	read, expunged, err := mail.Expunge(ctx, p.tx, p.org, all, mailsAtOnce)
	if err != nil {
		return err
	}
	if read.IsZero() {
		p.r.MailsDoneAt = &p.now
		return nil
	}
	p.r.LastMailID, p.r.Mails = read, p.r.Mails+expunged
	return nil
}

// examined is an event that an erasure looks at.
type examined struct {
	ID      id.Event
	Type    string
	Keyed   bool // it has one of the ordering keys, and so is no stub
	Stub    bool // it was expunged before
	inRange bool
}

// events expunges the next events, in the order of their ids.
//
// An event gets its id before it commits, so ids do not follow the order of commits. A
// page therefore reads no events that are younger than stragglersFor: all that are older
// have committed.
func (p page) events(ctx context.Context) error {
	end, settled := p.end(), p.settled()
	isLast := !settled.Before(end)
	if isLast {
		settled = end
	}
	found, err := pg.List[examined](ctx, p.tx, "erasure.events", `
		SELECT id, type, coalesce(ordering_key = ANY ($4::text[]), false) AS keyed, expunged_at IS NOT NULL AS stub
		FROM event WHERE org_id = $1 AND id > $2 AND id < uuid_floor($3) ORDER BY id LIMIT $5`,
		p.org, p.r.LastEventID, settled, p.r.OrderingKeys, readAtOnce)
	if err != nil {
		return err
	}
	if len(found) == 0 && !isLast {
		return job.Snooze(end.Sub(p.settled()))
	}
	read, chosen := 0, []id.Event(nil)
	for part := range slices.Chunk(found, matchAtOnce) {
		n, some, err := p.matching(ctx, part, len(chosen))
		if err != nil {
			return err
		}
		read, chosen = read+n, append(chosen, some...)
		if n < len(part) {
			break
		}
	}
	if read > 0 {
		p.r.LastEventID = found[read-1].ID
	}
	p.r.Examined += int64(read)
	if isLast && read == len(found) && len(found) < readAtOnce {
		p.r.Status = Succeeded
	}
	return p.expunge(ctx, chosen)
}

// end returns before which time the events are. Reports about mails come until the mails
// are done; they are looked at too, unless the request has said an end.
func (p page) end() time.Time {
	if p.r.Recipient != nil && p.r.Until.Equal(p.r.CreatedAt) {
		return *p.r.MailsDoneAt
	}
	return p.r.Until
}

// matching returns the person's events among some, and how many it has looked at:
// chosen are those that the step has already.
func (p page) matching(ctx context.Context, some []examined, chosen int) (read int, matches []id.Event, err error) {
	limit := id.Floor[id.Event](p.r.Until)
	var open []id.Event
	for i := range some {
		some[i].inRange = some[i].ID.Before(limit)
		if p.needsData(some[i]) {
			open = append(open, some[i].ID)
		}
	}
	data := map[id.Event]json.RawMessage{}
	if len(open) > 0 {
		list, err := event.ListPayloads(ctx, p.tx, p.org, open)
		if err != nil {
			return 0, nil, err
		}
		for _, e := range list {
			data[e.ID] = e.Data()
		}
	}
	for i, e := range some {
		if chosen+len(matches) == expungeAtOnce && !p.r.DryRun {
			return i, matches, ctx.Err()
		}
		if e.Keyed && e.inRange || p.needsData(e) && p.matches(e, data[e.ID]) {
			matches = append(matches, e.ID)
		}
	}
	return len(some), matches, ctx.Err()
}

// needsData reports whether the data decide about the event.
func (p page) needsData(e examined) bool {
	return !e.Stub && (p.r.Filter != nil && e.inRange && !e.Keyed || p.r.Recipient != nil && isAboutMail(e.Type))
}

func (p page) matches(e examined, data json.RawMessage) bool {
	if p.r.Recipient != nil && isAboutMail(e.Type) {
		var about webhook.MailNotice
		if json.Unmarshal(data, &about) == nil && mail.IsSameAddress(about.Recipient, *p.r.Recipient) {
			return true
		}
	}
	if p.r.Filter == nil || !e.inRange {
		return false
	}
	candidate := filter.Event{Type: e.Type, Data: data}
	return candidate.Meets(*p.r.Filter)
}

// isAboutMail reports whether an event is Portico's report about a mail. Customers
// cannot publish such types.
func isAboutMail(eventType string) bool {
	return webhook.IsOperational(eventType) && strings.HasPrefix(eventType, "mail.")
}

// expunge expunges the events, and makes due what waited for their deliveries.
func (p page) expunge(ctx context.Context, chosen []id.Event) error {
	if p.r.DryRun || len(chosen) == 0 {
		p.r.Events += int64(len(chosen))
		return nil
	}
	expunged, due, err := event.ExpungeAll(ctx, p.tx, p.org, chosen)
	if err != nil {
		return err
	}
	p.r.Events += int64(expunged)
	for _, endpoint := range due {
		webhook.RaiseDue(p.tx, p.org, endpoint)
	}
	return nil
}
