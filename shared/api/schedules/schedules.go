// Package schedules has the operations on schedules of exports of the audit log.
package schedules

import "embed"

// Tag groups the operations in the documentation.
const Tag = "Schedules"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS
