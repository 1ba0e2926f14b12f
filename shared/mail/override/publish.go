package override

import (
	"context"
	"errors"
	"time"

	"portico/shared/pg"
)

// Publication says what is sent in a variant from a time on.
type Publication struct {
	Variant
	Number      int // from 1, for each variant; 0: nothing was published yet
	Version     int // 0: the repository's template
	PublishedAt time.Time
	By          Author
	// Under is the publication that is in force again when this one is rolled back;
	// 0: the repository's template.
	Under int
}

const published = `template, locale, number, coalesce(version, 0) AS version, published_at, published_by, published_by_name, coalesce(under, 0) AS under`

type publishedRow struct {
	Template, Locale             string
	Number, Version, Under       int
	PublishedAt                  time.Time
	PublishedBy, PublishedByName string
}

func (r publishedRow) publication() Publication {
	return Publication{Variant{r.Template, r.Locale}, r.Number, r.Version, r.PublishedAt, Author{r.PublishedBy, r.PublishedByName}, r.Under}
}

var errNone = errors.New("override: nothing is published")

// Current returns what is published in a variant.
func Current(ctx context.Context, q pg.Querier, v Variant) (Publication, error) {
	r, err := pg.One[publishedRow](ctx, q, "override.Current", errNone, `
		SELECT `+published+` FROM mail_template_publication WHERE template = $1 AND locale = $2 ORDER BY number DESC LIMIT 1`, v.Template, v.Locale)
	if errors.Is(err, errNone) {
		return Publication{Variant: v}, nil
	}
	return r.publication(), err
}

// AllCurrent returns what is published in all variants in which something ever was.
func AllCurrent(ctx context.Context, q pg.Querier) (map[Variant]Publication, error) {
	rows, err := pg.List[publishedRow](ctx, q, "override.AllCurrent", `
		SELECT DISTINCT ON (template, locale) `+published+` FROM mail_template_publication ORDER BY template, locale, number DESC`)
	all := map[Variant]Publication{}
	for _, r := range rows {
		all[Variant{r.Template, r.Locale}] = r.publication()
	}
	return all, err
}

// Publications returns what was published in a variant, the newest first.
func Publications(ctx context.Context, q pg.Querier, v Variant, limit int) ([]Publication, error) {
	rows, err := pg.List[publishedRow](ctx, q, "override.Publications", `
		SELECT `+published+` FROM mail_template_publication WHERE template = $1 AND locale = $2 ORDER BY number DESC LIMIT $3`, v.Template, v.Locale, limit)
	list := make([]Publication, len(rows))
	for i, r := range rows {
		list[i] = r.publication()
	}
	return list, err
}

// Publish makes a version the one that is sent. The caller has seen that before was
// in force. Publishing what is in force changes nothing.
func Publish(ctx context.Context, tx pg.Querier, before Publication, version int, by Author) (Publication, error) {
	if version == before.Version {
		return before, nil
	}
	return put(ctx, tx, Publication{Variant: before.Variant, Number: before.Number + 1, Version: version, By: by, Under: before.Number})
}

// RollBack makes that the one that is sent which was before the publication in
// force. Rolling back again goes one further back, at last to the repository's
// template.
func RollBack(ctx context.Context, tx pg.Querier, before Publication, by Author) (Publication, error) {
	if before.Version == 0 {
		return before, ErrNothing
	}
	next := Publication{Variant: before.Variant, Number: before.Number + 1, By: by}
	if before.Under > 0 {
		r, err := pg.One[publishedRow](ctx, tx, "override.RollBack", ErrMeanwhile, `
			SELECT `+published+` FROM mail_template_publication WHERE template = $1 AND locale = $2 AND number = $3`,
			before.Template, before.Locale, before.Under)
		if err != nil {
			return before, err
		}
		next.Version, next.Under = r.Version, r.Under
	}
	return put(ctx, tx, next)
}

// put adds a publication, if nobody else has added the one of this number.
func put(ctx context.Context, tx pg.Querier, p Publication) (Publication, error) {
	r, err := pg.One[publishedRow](ctx, tx, "override.put", ErrMeanwhile, `
		INSERT INTO mail_template_publication (template, locale, number, version, under, published_by, published_by_name)
		VALUES ($1, $2, $3, nullif($4, 0), nullif($5, 0), $6, $7) ON CONFLICT DO NOTHING RETURNING `+published,
		p.Template, p.Locale, p.Number, p.Version, p.Under, p.By.ID, p.By.Name)
	return r.publication(), err
}
