// Package eventtype has the event catalog: the types of events that an organization
// publishes, with versions of the schemas of their data.
package eventtype

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"portico/shared/fault"
)

// Type is an event type in an organization's catalog.
type Type struct {
	Name        string
	Description string
	Group       string // "": none
	Validation  string
	// Version is the current version, which documents the type and validates its
	// data; nil: there is none. Versions is how many there are.
	Version   *int32
	Versions  int32
	Archived  *time.Time // nil: it is in use
	CreatedAt time.Time
	UpdatedAt time.Time
	// Schema and Examples are those of the current version; nil without one.
	Schema   json.RawMessage
	Examples []json.RawMessage
}

// Whether publishes are validated.
const (
	Off      = "off"
	Required = "required"
)

// Version is a schema that a type has or had.
type Version struct {
	Number    int32
	Schema    json.RawMessage
	Examples  []json.RawMessage
	CreatedAt time.Time
	CreatedBy string
}

// The limits of a catalog.
const (
	MaxTypes    = 1000
	MaxVersions = 100 // of a type
	MaxExamples = 10  // of a version
	MaxName     = 128
)

// GroupPattern is the form of a group's name.
const GroupPattern = `^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$`

// MaxGroup is how many characters a group's name may have.
const MaxGroup = 64

// Reserved is a name that no type can have, because the path of the catalog's
// description ends with it.
const Reserved = "openapi.json"

// ErrNotFound is returned when the type is not in the organization's catalog.
var ErrNotFound = fault.New(fault.NotFound, "event_type_not_found",
	"There is no event type with this name in your catalog.").
	Means("Your organization's event catalog has no type with this name.")

// ErrVersionNotFound is returned when a type has no version with the number, or none
// at all.
var ErrVersionNotFound = fault.New(fault.NotFound, "event_type_version_not_found",
	"The event type has no such version.").
	Means("The event type has no version with this number, or no version at all.")

// ErrExists is returned when the catalog has the type already.
var ErrExists = fault.New(fault.Conflict, "event_type_exists",
	"Your catalog has an event type with this name already: change that one.").
	Means("The event catalog has a type with this name already.")

// ErrTooMany is returned when the catalog already has MaxTypes types.
var ErrTooMany = fault.New(fault.Conflict, "too_many_event_types",
	fmt.Sprintf("An organization has at most %d event types. Delete one that is no longer published.", MaxTypes)).
	Means("The event catalog has reached its limit of types.")

// ErrTooManyVersions is returned when a type already has MaxVersions versions.
var ErrTooManyVersions = fault.New(fault.Conflict, "too_many_event_type_versions",
	fmt.Sprintf("An event type has at most %d versions. Delete the type and create it again.", MaxVersions)).
	Means("The event type has reached its limit of versions.")

// ErrTooLarge is returned when the schemas are too large for one description.
var ErrTooLarge = errors.New("the schemas are too large for one description: ask for one group at a time")
