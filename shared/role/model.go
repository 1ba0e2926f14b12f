package role

import (
	"slices"
	"strings"

	"portico/shared/fault"
)

// Model says which roles an organization has: its setting role_model. A model never changes
// what a role allows.
type Model string

// The models. Each has all roles of those before it.
const (
	Single  Model = "single"   // no roles: everybody is an owner
	TwoTier Model = "two_tier" // admin and member, and the owners, without whom there is no organization
	Custom  Model = "custom"   // all predefined roles, and the organization's own
)

// Models lists them.
func Models() []Model { return []Model{Single, TwoTier, Custom} }

var (
	// ErrNotInModel is returned when a role is given or made that the organization's model
	// does not have.
	ErrNotInModel = fault.New(fault.Conflict, "role_not_in_model", "The organization's setting role_model does not have this role.").
			Means("The organization's setting role_model does not have this role. The detail says which roles it has.")
	// ErrModelTooNarrow is returned when a model would not have roles that are in use.
	ErrModelTooNarrow = fault.New(fault.Conflict, "role_model_too_narrow", "The organization uses roles that this role_model does not have.").
				Means("The organization uses roles that the new role_model does not have. The detail says which, and what to do first.")
)

// Predefined returns the names of the predefined roles of the model, the most powerful first.
func (m Model) Predefined() []string {
	switch m {
	case Single:
		return []string{Owner}
	case TwoTier:
		return []string{Owner, Admin, Member}
	}
	return names()
}

// HasOwn reports whether an organization with this model has roles of its own.
func (m Model) HasOwn() bool { return m != Single && m != TwoTier }

// Check returns ErrNotInModel if the model does not have a role.
func (m Model) Check(ref Ref) error {
	if ref.Predefined == "" && m.HasOwn() || slices.Contains(m.Predefined(), ref.Predefined) {
		return nil
	}
	return ErrNotInModel.Saying("The organization's setting role_model is %s: its only roles are %s.", m, strings.Join(m.Predefined(), ", "))
}

// Fallback returns the role of those for whom nobody has chosen one; false: somebody must.
func (m Model) Fallback() (Ref, bool) {
	switch m {
	case Single:
		return Ref{Predefined: Owner}, true
	case TwoTier:
		return Ref{Predefined: Member}, true
	}
	return Ref{}, false
}
