// Package account has the operations of a person on their own account.
package account

import "embed"

// Tag groups the operations in the documentation.
const Tag = "Account"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS

const function = "identity"
