// Command webhook-endpoints serves /v1/webhook-endpoints,
// /v1/webhook-source-ips and /v1/recoveries; see shared/api/webhooks.
package main

import (
	"portico/shared/api/webhooks"
	"portico/shared/lambdahost/serve"
)

func main() {
	serve.API(webhooks.CreateEndpoint, webhooks.ListEndpoints, webhooks.GetEndpoint,
		webhooks.UpdateEndpoint, webhooks.DeleteEndpoint,
		webhooks.RotateSecret, webhooks.GetPublicKeys, webhooks.ListSourceIPs,
		webhooks.GetStatistics, webhooks.ListOrderingKeys, webhooks.ResumeOrderingKey,
		webhooks.TestEndpoint, webhooks.Recover, webhooks.Replay, webhooks.ListRecoveries, webhooks.GetRecovery, webhooks.CancelRecovery)
}
