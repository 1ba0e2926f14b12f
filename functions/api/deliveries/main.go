// Command deliveries serves /v1/deliveries; see shared/api/webhooks/deliveries.go.
package main

import (
	"portico/shared/api/webhooks"
	"portico/shared/lambdahost/serve"
)

func main() { serve.API(webhooks.ListDeliveries, webhooks.GetDelivery, webhooks.Redeliver) }
