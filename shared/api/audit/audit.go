// Package audit has the operations on the audit log.
package audit

import "embed"

// Tag groups the operations in the documentation.
const Tag = "Audit"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS
