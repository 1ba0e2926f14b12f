// Package people has the operations on members, their roles, permissions and
// resource grants.
package people

import "embed"

// Tag groups the operations in the documentation.
const Tag = "People"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS

const function = "organization"
