// Package keys has the operations on API keys.
package keys

// Tag groups the operations in the documentation.
const Tag = "Keys"

const function = "api-keys"
