// Command webhook-endpoints serves /v1/webhook-endpoints and
// /v1/webhook-source-ips; see shared/api/webhooks.
package main

import (
	"portico/shared/api/webhooks"
	"portico/shared/lambdahost"
)

func main() {
	lambdahost.API(webhooks.CreateEndpoint, webhooks.ListEndpoints, webhooks.GetEndpoint,
		webhooks.UpdateEndpoint, webhooks.DeleteEndpoint,
		webhooks.RotateSecret, webhooks.GetPublicKeys, webhooks.ListSourceIPs,
		webhooks.ListOrderingKeys, webhooks.ResumeOrderingKey)
}
