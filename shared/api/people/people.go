// Package people has the operations on members, their roles, permissions and
// resource grants.
package people

// Tag groups the operations in the documentation.
const Tag = "People"

const function = "organization"
