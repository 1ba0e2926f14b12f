// Command deliveries serves /v1/deliveries; see shared/api/deliveries.go.
package main

import (
	"portico/shared/api"
	"portico/shared/lambdahost"
)

func main() { lambdahost.API(api.ListDeliveries, api.GetDelivery) }
