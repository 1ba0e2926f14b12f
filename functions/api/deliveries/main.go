// Command deliveries serves /v1/deliveries; see shared/api/webhooks/deliveries.go.
package main

import (
	"portico/shared/api/webhooks"
	"portico/shared/lambdahost"
)

func main() { lambdahost.API(webhooks.ListDeliveries, webhooks.GetDelivery, webhooks.Redeliver) }
