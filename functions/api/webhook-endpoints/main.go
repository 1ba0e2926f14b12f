// Command webhook-endpoints serves /v1/webhook-endpoints and
// /v1/webhook-source-ips; see shared/api/webhook_endpoints.go and its neighbours.
package main

import (
	"portico/shared/api"
	"portico/shared/lambdahost"
)

func main() {
	lambdahost.API(api.CreateWebhookEndpoint, api.ListWebhookEndpoints, api.GetWebhookEndpoint,
		api.UpdateWebhookEndpoint, api.DeleteWebhookEndpoint,
		api.RotateWebhookEndpointSecret, api.GetWebhookEndpointKeys, api.ListWebhookSourceIPs,
		api.ListOrderingKeys, api.ResumeOrderingKey)
}
