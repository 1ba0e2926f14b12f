// Package sso has the operations on the connections by which an organization's people sign
// in with its own identity provider.
package sso

import "embed"

// Tag groups the operations in the documentation.
const Tag = "SSO"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS

const function = "organization"
