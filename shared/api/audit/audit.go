// Package audit has the operations on the audit log.
package audit

import "embed"

// Tag groups the operations in the documentation.
const Tag = "Audit"

// Texts are descriptions, each below the heading that stands for it in Go.
//
//go:embed *.md
var Texts embed.FS
