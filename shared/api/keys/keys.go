// Package keys has the operations on API keys.
package keys

import "embed"

// Tag groups the operations in the documentation.
const Tag = "Keys"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS

const function = "api-keys"
