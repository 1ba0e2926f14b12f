package apikey

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"portico/shared/auth"
	"portico/shared/dynamo"
	"portico/shared/id"
)

// The attributes of an item that belong to the projection; others in the same
// item are not touched. org, id, staff, permissions, allowed_ips and expires_at
// are copied from the row, and limits from the key's overrides. revoked_at is never overwritten by a copy, and
// last_used_at is stored here only.

// errNoProjection is returned when the key has no projection, because it was never
// made, was removed, or was lost.
var errNoProjection = errors.New("unknown key")

// holder is the content of a key's item.
type holder struct {
	caller     auth.Caller
	expires    time.Time // zero: never
	revokedAt  string    // empty: not revoked
	allowedIPs []string
}

// admit returns nil, or why the key may not be used at this time from this
// address: for the log, and for the audit log of its organization.
func (h holder) admit(now time.Time, from netip.Addr) error {
	name := h.caller.Actor.ID
	switch {
	case h.revokedAt != "":
		return Refused{h.caller, Revoked, fmt.Sprintf("key %s revoked at %s", name, h.revokedAt)}
	case !h.expires.IsZero() && !now.Before(h.expires):
		return Refused{h.caller, Expired, fmt.Sprintf("key %s expired at %s", name, h.expires)}
	case len(h.allowedIPs) > 0 && !contains(h.allowedIPs, from):
		return Refused{h.caller, WrongAddress, fmt.Sprintf("key %s does not work from %s", name, from)}
	}
	return nil
}

// Refused is the cause of ErrUnknown for a key that exists but does not work.
type Refused struct {
	Caller auth.Caller
	Reason string // Revoked, Expired or WrongAddress
	text   string
}

// WrongAddress is the reason if the key may not be used from an address.
const WrongAddress = "address"

func (r Refused) Error() string { return r.text }

// moment reads whole seconds; without the attribute it is zero.
func moment(i dynamo.Item, name string) (time.Time, error) {
	seconds, ok, err := dynamo.NumberOf(i[name])
	if err != nil {
		return time.Time{}, fmt.Errorf("apikey: %s: %w", name, err)
	}
	if !ok {
		return time.Time{}, nil
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func decode(i dynamo.Item) (h holder, err error) {
	if dynamo.TextOf(i["id"]) == "" {
		return h, errNoProjection
	}
	h.revokedAt, h.allowedIPs = dynamo.TextOf(i["revoked_at"]), dynamo.TextsOf(i["allowed_ips"])
	if h.expires, err = moment(i, "expires_at"); err != nil {
		return h, err
	}
	if staff := dynamo.TextOf(i["staff"]); staff != "" {
		k := StaffKey{Name: staff, Permissions: permissionsOf(i)}
		k.ID, err = id.Parse[id.StaffKey](dynamo.TextOf(i["id"]))
		h.caller = k.caller()
		return h, err
	}
	k := APIKey{Permissions: permissionsOf(i)}
	org, err := id.Parse[id.Org](dynamo.TextOf(i["org"]))
	if err != nil {
		return h, fmt.Errorf("apikey: item without organization: %w", err)
	}
	if k.ID, err = id.Parse[id.APIKey](dynamo.TextOf(i["id"])); err != nil {
		return h, fmt.Errorf("apikey: item without id: %w", err)
	}
	h.caller = callerOf(org, k)
	return h, nil
}

// callerOf returns who calls with a key.
func callerOf(org id.Org, k APIKey) auth.Caller {
	return auth.Caller{Org: org, Actor: auth.Actor{Type: auth.APIKey, ID: k.ID.String()}, Rights: auth.Set(k.Permissions)}
}

func permissionsOf(i dynamo.Item) (list []auth.Permission) {
	for _, s := range dynamo.TextsOf(i["permissions"]) {
		list = append(list, auth.Permission(s))
	}
	return list
}

func keyOf(hash Hash) string { return hex.EncodeToString(hash[:]) }
