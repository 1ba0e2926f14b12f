package webhooks

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/auth"
)

// ListSourceIPs is GET /v1/webhook-source-ips.
var ListSourceIPs = edge.Read[struct{}, sourceIPsOutput]{
	Op: edge.Op{
		ID: "listWebhookSourceIPs", Method: http.MethodGet, Path: "/v1/webhook-source-ips", Function: endpointsFunction,
		Permission: auth.WebhookEndpointsRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "List the addresses that deliveries come from",
		Description: "Every delivery comes from one of these addresses. Allow all of them in your firewall.",
	},
	Handle: listSourceIPs,
}

type sourceIPsOutput struct {
	Body struct {
		Data []string `json:"data" nullable:"false" example:"[\"203.0.113.7\"]" doc:"IP addresses."`
	}
}

func listSourceIPs(c *edge.Call, _ *struct{}) (*sourceIPsOutput, error) {
	out := &sourceIPsOutput{}
	out.Body.Data = append([]string{}, c.SourceIPs...) // [] if there are none, not null
	return out, nil
}
