// Package role decides what a member may do: roles are sets of permissions,
// grants give one permission on one resource, and conditions narrow a role.
package role

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
)

// Role is a set of permissions, predefined or of one organization.
type Role struct {
	Ref         Ref
	Name        string
	Description string
	Permissions []auth.Permission
	// Condition is a Cedar expression that must also be true; "": none.
	Condition string
	// CreatedAt and UpdatedAt are zero in a predefined role.
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Ref names a role: one of the predefined ones, or an organization's own.
type Ref struct {
	Predefined string
	Custom     id.Role
}

// ParseRef reads what String writes.
func ParseRef(s string) (Ref, error) {
	if _, ok := Predefined(s); ok {
		return Ref{Predefined: s}, nil
	}
	custom, err := id.Parse[id.Role](s)
	if err != nil {
		return Ref{}, errors.New("must be " + strings.Join(names(), ", ") + " or the id of a role: role_ and 26 characters")
	}
	return Ref{Custom: custom}, nil
}

func (r Ref) String() string {
	if r.Predefined != "" {
		return r.Predefined
	}
	return r.Custom.String()
}

// UnmarshalText reads a Ref in a path.
func (r *Ref) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRef(string(text))
	return err
}

// MarshalText writes a Ref.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

var (
	// ErrNotFound is returned when the role does not exist or belongs to another
	// organization.
	ErrNotFound = fault.New(fault.NotFound, "role_not_found", "There is no role with this id.").
			Means("Your organization has no role with this id.")
	// ErrPredefined is returned when a predefined role would be changed.
	ErrPredefined = fault.New(fault.Conflict, "role_is_predefined", "Predefined roles cannot be changed.").
			Means("Predefined roles cannot be changed.")
	// ErrInUse is returned when a role that members have, or a connection gives, would be deleted.
	ErrInUse = fault.New(fault.Conflict, "role_in_use", "Members have this role, or a single sign-on connection gives it. Give them another one first.").
			Means("Members have the role, or a single sign-on connection gives it.")
	// ErrNameTaken is returned when another role has the same name.
	ErrNameTaken = fault.New(fault.Conflict, "role_name_taken", "Another role has this name. Choose a different one.").
			Means("Another role has this name.")
	// ErrGrantExceeded is returned when a caller would give or take permissions
	// that it does not have on everything, or has under a condition only.
	ErrGrantExceeded = fault.New(fault.Denied, "grant_exceeded", "You can neither give nor take what you do not have.").
				Means("A caller can neither give nor take what it does not have. The detail names what it lacks.")
	// ErrTooMany is returned when the organization already has Most roles.
	ErrTooMany = fault.New(fault.Conflict, "too_many_roles", fmt.Sprintf("An organization has at most %d roles of its own. Delete one that is no longer needed.", Most)).
			Means("The organization has reached the limit of roles of its own.")
)

// Most bounds an organization's own roles.
const Most = 100

// CheckPermissions refuses a list with a permission that does not exist or that
// is not in gives.
func CheckPermissions(field string, list []auth.Permission, gives auth.Set) error {
	var faults []error
	for i, p := range list {
		if auth.Description[p] == "" {
			faults = append(faults, fault.InvalidField(fmt.Sprintf("%s[%d]", field, i), "is not a permission"))
		}
	}
	return fault.Join(append(faults, MayGrant(list, gives))...)
}

// MayGrant returns a fault if gives has not all of the permissions.
func MayGrant(list []auth.Permission, gives auth.Set) error {
	lacking := slices.IndexFunc(list, func(p auth.Permission) bool { return !slices.Contains(gives, p) })
	if lacking < 0 {
		return nil
	}
	return ErrGrantExceeded.Saying(
		"You can neither give nor take what you do not have. You lack the permission %s.", list[lacking])
}
