package webhooks

import (
	"portico/shared/api/edge"
	"portico/shared/clock"
	"portico/shared/webhook"
)

// endpointHealth is how deliveries to an endpoint fare.
type endpointHealth struct {
	Failures       int32        `json:"failures" doc:"Failed tries since the last success." example:"12"`
	FailingSince   *clock.Stamp `json:"failing_since" format:"date-time" doc:"The first of them; null when there are none."`
	Breaker        string       `json:"breaker" enum:"closed,open,probing" doc:"#Health.breaker" example:"open"`
	OpenUntil      *clock.Stamp `json:"breaker_open_until" format:"date-time" doc:"Null unless the breaker is open."`
	Backlog        int          `json:"backlog" maximum:"1000" doc:"Deliveries that are not finished, held ones too; 1000 means that many or more." example:"40"`
	LastFailedAt   *clock.Stamp `json:"last_failed_at" format:"date-time" doc:"When the last failed try began, also after a success; null if none has failed."`
	LastStatusCode *int16       `json:"last_status_code" doc:"What the receiver answered to that try; null without a response." example:"503"`
	LastError      *string      `json:"last_error" doc:"Why that try failed." example:"answered 503, expected 2xx"`
}

func showHealth(h webhook.EndpointHealth) endpointHealth {
	shown := endpointHealth{
		Failures: h.Failures, FailingSince: clock.StampOf(h.FailingSince), Breaker: h.Breaker, Backlog: h.Backlog,
		LastFailedAt: clock.StampOf(h.LastFailedAt), LastStatusCode: h.LastStatusCode, LastError: h.LastError,
	}
	if h.Breaker == webhook.BreakerOpen {
		shown.OpenUntil = clock.StampOf(h.OpenUntil)
	}
	return shown
}

// showWithHealth shows an endpoint as it is now.
func showWithHealth(c *edge.Call, e webhook.Endpoint) (EndpointBody, error) {
	healths, err := webhook.Healths(c, c.Tx, c.Org, []webhook.Endpoint{e})
	return showEndpoint(e, healths[e.ID]), err
}
