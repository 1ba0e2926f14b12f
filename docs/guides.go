// Package docs holds what the API serves about itself: its description and the guides.
package docs

import "embed"

// Guides are for those who call the API; the other documents are for those who
// run it.
//
//go:embed receiving-webhooks.md errors.md endpoints.md event-types.md event-stream.md organizations.md limits.md permissions.md audit.md audit-streams.md
var Guides embed.FS

// OpenAPI describes the whole API. `make generate` writes it from shared/api.
//
//go:embed openapi.json
var OpenAPI []byte
