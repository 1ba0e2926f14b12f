// Package keys has the operations on API keys.
package keys

import "embed"

// Tag groups the operations in the documentation.
const Tag = "Keys"

// Texts are descriptions, each below the heading that stands for it in Go.
//
//go:embed *.md
var Texts embed.FS

const function = "api-keys"
