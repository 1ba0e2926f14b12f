// Package mail has the operations of staff on mail: the log, the templates, and
// addresses that get none.
package mail

import (
	"embed"
)

// Tag groups the operations in the documentation.
const Tag = "Mail"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS

const function = "mail"
