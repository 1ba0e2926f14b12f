// Package webhooks has the operations on webhook endpoints, their ordering keys
// and the deliveries to them.
package webhooks

// Tag groups the operations in the documentation.
const Tag = "Webhooks"

const (
	endpointsFunction  = "webhook-endpoints"
	deliveriesFunction = "deliveries"
)
