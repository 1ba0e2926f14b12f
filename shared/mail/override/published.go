package override

import (
	"context"
	"sync"
	"time"

	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/mail/template"
	"portico/shared/pg"
)

// Fresh is how long what is published is remembered: so long mails may still be made
// as before.
const Fresh = 30 * time.Second

// retryAfter is how long an unreachable home database is not asked again.
const retryAfter = 2 * time.Second

// patience is how long the home database may take to answer: others wait meanwhile.
const patience = 5 * time.Second

// Published is what senders know of what is published. It is safe for concurrent
// use.
type Published struct {
	Home  pg.Querier // the home database
	Set   *template.Set
	Clock *clock.Clock

	mu   sync.Mutex
	read bool // all was read once
	next time.Time
	kept map[Variant]*kept
}

type kept struct {
	number   int
	override *template.Override // nil: it can no longer be used
	why      error
}

// Get returns the override that is published in a variant and its number; 0: the
// repository's template is sent. An override that can no longer be used is nil, with
// its number and the reason. err means that the home database does not answer and
// never has: while it is away, what was last known is used.
func (p *Published) Get(ctx context.Context, v Variant) (o *template.Override, number int, why, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.Clock.Now(); !now.Before(p.next) {
		p.next = now.Add(Fresh)
		if err := p.refresh(ctx); err != nil {
			p.next = now.Add(retryAfter)
			if !p.read {
				p.next = time.Time{}
				return nil, 0, nil, fault.ErrAway.Because(err)
			}
		}
	}
	if k := p.kept[v]; k != nil {
		return k.override, k.number, k.why, nil
	}
	return nil, 0, nil, nil
}

// refresh reads what is published: the texts of versions that are not known yet. So
// what is known is of one moment.
func (p *Published) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	known := []string{}
	for v, k := range p.kept {
		known = append(known, v.String()+" "+Name(k.number))
	}
	rows, err := pg.List[currentRow](ctx, p.Home, "override.refresh", `
		SELECT c.template, c.locale, c.version, known.known, CASE WHEN known THEN '' ELSE o.subject END AS subject,
			CASE WHEN known THEN '' ELSE o.html END AS html, CASE WHEN known THEN '' ELSE o.text END AS text
		FROM (SELECT DISTINCT ON (template, locale) template, locale, version FROM mail_template_publication ORDER BY template, locale, number DESC) AS c
		JOIN mail_template_override o USING (template, locale, version),
		LATERAL (SELECT c.template || ' ' || c.locale || ' override-' || c.version = ANY ($1) AS known) AS known`, known)
	if err != nil {
		return err
	}
	all := map[Variant]*kept{}
	for _, r := range rows {
		v := Variant{r.Template, r.Locale}
		if all[v] = p.kept[v]; !r.Known {
			all[v] = p.compile(v, r)
		}
	}
	p.kept, p.read = all, true
	return nil
}

type currentRow struct {
	Template, Locale    string
	Version             int
	Known               bool
	Subject, HTML, Text string
}

// compile parses a version again, with all checks of saving: the repository's
// template, its data and the rules may be others now.
func (p *Published) compile(v Variant, r currentRow) *kept {
	o, err := Check(p.Set, v, r.Version, template.Source{Subject: r.Subject, HTML: r.HTML, Text: r.Text})
	if err != nil {
		return &kept{number: r.Version, why: err}
	}
	return &kept{number: r.Version, override: o}
}

// Version returns a version of a variant, published or not.
func (p *Published) Version(ctx context.Context, v Variant, number int) (*template.Override, error) {
	version, err := Get(ctx, p.Home, v, number)
	if err != nil && fault.Of(err) == nil {
		return nil, fault.ErrAway.Because(err)
	}
	if err != nil {
		return nil, err
	}
	return Check(p.Set, v, number, version.Source)
}
