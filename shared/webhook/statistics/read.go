package statistics

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// Keep is how long the counts of an hour are kept.
const Keep = 90 * 24 * time.Hour

// Sum sums up tries.
type Sum struct {
	Succeeded, Failed int64
	Dead              int64          // deliveries that failed for good by their last try
	P50, P95          *time.Duration // of tries with a response; nil: there were none
}

// Hour sums up the tries that were recorded in an hour.
type Hour struct {
	At time.Time // its beginning
	Sum
}

// Statistics are an endpoint's over some hours.
type Statistics struct {
	Since time.Time // the beginning of the first hour
	Sum
	Hours []Hour // the oldest first, without those in which there was no try
}

// row is a row of webhook_stat.
type row struct {
	Hour                    time.Time
	Succeeded, Failed, Dead int64
	Latencies               []int32
}

// Of returns the statistics of an endpoint over so many hours, with the current one.
func Of(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, hours int, now time.Time) (Statistics, error) {
	s := Statistics{Since: now.UTC().Truncate(time.Hour).Add(time.Duration(1-hours) * time.Hour), Hours: []Hour{}}
	rows, err := pg.List[row](ctx, tx, "statistics.Of", `
		SELECT hour, succeeded, failed, dead, latencies FROM webhook_stat
		WHERE org_id = $1 AND endpoint_id = $2 AND hour >= $3 ORDER BY hour`, org, endpoint, s.Since)
	var all histogram
	for _, r := range rows {
		var own histogram
		own.add(r.Latencies)
		all.add(r.Latencies)
		s.Succeeded, s.Failed, s.Dead = s.Succeeded+r.Succeeded, s.Failed+r.Failed, s.Dead+r.Dead
		s.Hours = append(s.Hours, Hour{r.Hour, Sum{r.Succeeded, r.Failed, r.Dead, own.percentile(50), own.percentile(95)}})
	}
	s.P50, s.P95 = all.percentile(50), all.percentile(95)
	return s, err
}
