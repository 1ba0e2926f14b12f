// Package audit has the operations on the audit log.
package audit

// Tag groups the operations in the documentation.
const Tag = "Audit"
