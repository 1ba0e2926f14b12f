package webhooks

import (
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/webhook"
	"portico/shared/webhook/statistics"
)

// GetStatistics is GET /v1/webhook-endpoints/{id}/statistics.
var GetStatistics = edge.Read[statisticsInput, statisticsOutput]{
	Op: edge.Op{
		ID: "getWebhookEndpointStatistics", Method: http.MethodGet, Path: "/v1/webhook-endpoints/{id}/statistics", Function: endpointsFunction,
		Faults:     []*fault.Error{webhook.ErrEndpointNotFound},
		Permission: auth.WebhookEndpointsRead, Cost: 1, Access: "webhook_endpoint.read", Tag: Tag, Summary: "Get the statistics of a webhook endpoint",
		Description: "#getWebhookEndpointStatistics",
	},
	Handle: getStatistics,
}

type statisticsInput struct {
	EndpointPath
	Hours int `query:"hours" minimum:"1" maximum:"720" default:"24" doc:"How many hours, with the current one." example:"168"`
}

// TryCounts sums up tries. It is exported because huma describes only embedded structs
// that are exported.
type TryCounts struct {
	Succeeded   int64    `json:"succeeded" doc:"How many tries succeeded." example:"980"`
	Failed      int64    `json:"failed" doc:"How many tries failed." example:"20"`
	Dead        int64    `json:"dead" doc:"How many deliveries failed for good by their last try." example:"1"`
	SuccessRate *float64 `json:"success_rate" doc:"The part of the tries that succeeded, from 0 to 1; null if there was no try." example:"0.98"`
	P50         *float64 `json:"latency_p50_ms" doc:"#TryCounts.latency_median" example:"38.1"`
	P95         *float64 `json:"latency_p95_ms" doc:"The same for 95 % of the tries." example:"152.2"`
}

type hourOfTries struct {
	Hour clock.Stamp `json:"hour" format:"date-time" doc:"The beginning of the hour, in UTC."`
	TryCounts
}

type statisticsOutput struct {
	Body struct {
		Since clock.Stamp `json:"since" format:"date-time" doc:"The beginning of the first hour."`
		TryCounts
		Health endpointHealth `json:"health" doc:"Whether its deliveries succeed now, how many wait, and the last error."`
		Hours  []hourOfTries  `json:"hours" nullable:"false" maxItems:"720" doc:"The same counts for each hour in which there was a try, the oldest first."`
	}
}

func showCounts(s statistics.Sum) TryCounts {
	shown := TryCounts{Succeeded: s.Succeeded, Failed: s.Failed, Dead: s.Dead, P50: inMilliseconds(s.P50), P95: inMilliseconds(s.P95)}
	if tries := s.Succeeded + s.Failed; tries > 0 {
		shown.SuccessRate = new(float64(s.Succeeded) / float64(tries))
	}
	return shown
}

func inMilliseconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	return new(milliseconds(*d))
}

func getStatistics(c *edge.Call, in *statisticsInput) (*statisticsOutput, error) {
	endpoint, err := webhook.GetEndpoint(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	healths, err := webhook.Healths(c, c.Tx, c.Org, []webhook.Endpoint{endpoint})
	if err != nil {
		return nil, err
	}
	s, err := statistics.Of(c, c.Tx, c.Org, in.ID, in.Hours, c.Now())
	if err != nil {
		return nil, err
	}
	out := &statisticsOutput{}
	out.Body.Since, out.Body.TryCounts, out.Body.Health = clock.Stamp(s.Since), showCounts(s.Sum), showHealth(healths[in.ID])
	out.Body.Hours = make([]hourOfTries, len(s.Hours))
	for i, h := range s.Hours {
		out.Body.Hours[i] = hourOfTries{clock.Stamp(h.At), showCounts(h.Sum)}
	}
	return out, nil
}
