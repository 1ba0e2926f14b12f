package apikey

import (
	"fmt"
	"slices"
	"time"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
)

var (
	// ErrEnded is returned when a key that no longer works would be changed.
	ErrEnded = fault.New(fault.Conflict, "api_key_ended",
		"This API key has expired or was revoked, so it cannot be changed. Create another one.").
		Means("The API key has expired or was revoked: create another one.")
	// ErrGrantExceeded is returned when a caller would give a key more rights
	// than it has itself.
	ErrGrantExceeded = fault.New(fault.Denied, "grant_exceeded", "You cannot give what you do not have.")
	// ErrReplaced is returned when a key would be rotated a second time.
	ErrReplaced = fault.New(fault.Conflict, "api_key_replaced",
		"This API key was rotated before. Rotate the key that replaced_by names. If that key is lost, revoke it and create another one.").
		Means("The API key was rotated before: replaced_by names its successor.")
)

// Grant is what a caller may give to a key: at most its own rights.
type Grant struct {
	Permissions []auth.Permission
	ExpiresAt   *time.Time // nil: no end
	AllowedIPs  []string   // none: any address
}

// GrantOf is what a key may give.
func GrantOf(k APIKey) Grant { return Grant{k.Permissions, k.ExpiresAt, k.AllowedIPs} }

// Check refuses a key that has more permissions, expires later or works from more
// addresses than the caller's grant. So a limited key cannot create a more
// powerful one.
func (g Grant) Check(k APIKey) error {
	for _, p := range k.Permissions {
		if !slices.Contains(g.Permissions, p) {
			return exceeded("You lack the permission %s.", p)
		}
	}
	if g.ExpiresAt != nil && (k.ExpiresAt == nil || k.ExpiresAt.After(*g.ExpiresAt)) {
		return exceeded("Your API key expires at %s: set expires_at to that time or an earlier one.", g.ExpiresAt.UTC().Format(time.RFC3339))
	}
	if !within(k.AllowedIPs, g.AllowedIPs) {
		return exceeded("Your API key works only from %v: set allowed_ips to these or to a part of them.", g.AllowedIPs)
	}
	return nil
}

func exceeded(why string, args ...any) error {
	return ErrGrantExceeded.Saying("You cannot give what you do not have. "+why, args...)
}

// Change names the fields of a key to change; nil leaves one as it is.
type Change struct {
	Name        *string
	Permissions []auth.Permission
	ExpiresAt   *time.Time
	AllowedIPs  []string // empty but not nil: any address
}

// Apply returns the changed key. The key must still work, the change may only
// remove permissions, and the key must be within the grant before and after the
// change.
func (k APIKey) Apply(c Change, g Grant, now time.Time) (APIKey, error) {
	if k.works(now) != nil {
		return k, ErrEnded
	}
	if err := g.Check(k); err != nil {
		return k, err
	}
	for _, p := range c.Permissions {
		if !slices.Contains(k.Permissions, p) {
			return k, fault.InvalidField("permissions", fmt.Sprintf("has %s, which the API key does not have: you can only remove permissions", p))
		}
	}
	if c.Name != nil {
		k.Name = *c.Name
	}
	if c.Permissions != nil {
		k.Permissions = c.Permissions
	}
	if c.ExpiresAt != nil {
		k.ExpiresAt = c.ExpiresAt
	}
	if c.AllowedIPs != nil {
		k.AllowedIPs = c.AllowedIPs
	}
	return k, g.Check(k)
}

// Rotate returns the old key with the end of the overlap as its expiry, and its
// successor, which has the same rights and the old key's original expiry. The
// overlap never makes the old key work longer.
func (k APIKey) Rotate(overlap time.Duration, g Grant, now time.Time) (old, next APIKey, err error) {
	switch {
	case k.works(now) != nil:
		return k, next, ErrEnded
	case !k.ReplacedBy.IsZero():
		return k, next, ErrReplaced
	}
	next = k
	next.ID, next.CreatedAt = id.New[id.APIKey](now), now
	k.ReplacedBy = next.ID
	if end := now.Add(overlap).Truncate(time.Second); k.ExpiresAt == nil || end.Before(*k.ExpiresAt) {
		k.ExpiresAt = &end
	}
	return k, next, g.Check(next)
}
