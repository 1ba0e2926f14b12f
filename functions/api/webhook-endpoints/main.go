// Command webhook-endpoints serves /v1/webhook-endpoints; see shared/api/webhook_endpoints.go.
package main

import (
	"portico/shared/api"
	"portico/shared/lambdahost"
)

func main() {
	lambdahost.API(api.CreateWebhookEndpoint, api.ListWebhookEndpoints, api.GetWebhookEndpoint,
		api.UpdateWebhookEndpoint, api.DeleteWebhookEndpoint)
}
