// Package oauth has the operations on OAuth clients, and on the grants by which members
// have let them in.
package oauth

import "embed"

// Tag groups the operations in the documentation.
const Tag = "OAuth"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS

const function = "api-keys"
