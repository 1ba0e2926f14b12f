// Package docs holds the guides that the API serves beside its reference.
package docs

import "embed"

// Guides are for those who call the API; the other documents are for those who
// run it.
//
//go:embed receiving-webhooks.md errors.md endpoints.md event-types.md event-stream.md organizations.md limits.md permissions.md audit.md audit-streams.md
var Guides embed.FS
