// Package people has the operations on members, their roles, permissions and
// resource grants.
package people

import "embed"

// Tag groups the operations in the documentation.
const Tag = "People"

// Texts are descriptions, each below the heading that stands for it in Go.
//
//go:embed *.md
var Texts embed.FS

const function = "organization"
