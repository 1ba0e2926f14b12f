package webhooks

import (
	"portico/shared/api/edge"
	"portico/shared/clock"
	"portico/shared/webhook"
)

// endpointHealth says whether deliveries to an endpoint succeed.
type endpointHealth struct {
	Failures       int32        `json:"failures" doc:"Failed tries since the last success." example:"12"`
	FailingSince   *clock.Stamp `json:"failing_since" format:"date-time" doc:"The time of the first of these tries; null if there are none."`
	Breaker        string       `json:"breaker" enum:"closed,open,probing" doc:"#Health.breaker" example:"open"`
	OpenUntil      *clock.Stamp `json:"breaker_open_until" format:"date-time" doc:"Nothing is sent until then; null unless the breaker is open."`
	Backlog        int          `json:"backlog" maximum:"1000" doc:"The number of unfinished deliveries, including held ones; 1000 means 1000 or more." example:"40"`
	Lag            float64      `json:"lag_seconds" doc:"#Health.lag_seconds" example:"0"`
	LastFailedAt   *clock.Stamp `json:"last_failed_at" format:"date-time" doc:"When the last failed try began. It stays after a success; null if no try has failed."`
	LastStatusCode *int16       `json:"last_status_code" doc:"The status of the receiver's response to that try; null if there was none." example:"503"`
	LastError      *string      `json:"last_error" doc:"Why that try failed." example:"answered 503, expected 2xx"`
}

func showHealth(h webhook.EndpointHealth) endpointHealth {
	shown := endpointHealth{
		Failures: h.Failures, FailingSince: clock.StampOf(h.FailingSince), Breaker: h.Breaker, Backlog: h.Backlog, Lag: h.Lag,
		LastFailedAt: clock.StampOf(h.LastFailedAt), LastStatusCode: h.LastStatusCode, LastError: h.LastError,
	}
	if h.Breaker == webhook.BreakerOpen {
		shown.OpenUntil = clock.StampOf(h.OpenUntil)
	}
	return shown
}

// showWithHealth returns an endpoint with its current health.
func showWithHealth(c *edge.Call, e webhook.Endpoint) (EndpointBody, error) {
	healths, err := webhook.Healths(c, c.Tx, c.Org, []webhook.Endpoint{e})
	return showEndpoint(e, healths[e.ID]), err
}
