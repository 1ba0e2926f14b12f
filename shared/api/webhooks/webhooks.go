// Package webhooks has the operations on webhook endpoints, their ordering keys
// and the deliveries to them.
package webhooks

import "embed"

// Tag groups the operations in the documentation.
const Tag = "Webhooks"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS

const (
	endpointsFunction  = "webhook-endpoints"
	deliveriesFunction = "deliveries"
)
