package api

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

type createAPIKeyInput struct {
	Body struct {
		Name        string            `json:"name" minLength:"1" maxLength:"100" doc:"For people." example:"billing, production"`
		Permissions []auth.Permission `json:"permissions" minItems:"1" maxItems:"100" nullable:"false" doc:"What it may do; all among those of the key that you call with." example:"[\"events:write\"]"`
		ExpiresAt   *time.Time        `json:"expires_at,omitempty" doc:"When it ends, to the second. Without, it does not end by itself."`
		AllowedIPs  []string          `json:"allowed_ips,omitempty" maxItems:"50" nullable:"false" doc:"Where it works from: IP addresses and CIDR prefixes. Without, from anywhere." example:"[\"203.0.113.0/24\"]"`
	}
	change apikey.Change // by check
}

type updateAPIKeyInput struct {
	APIKeyPath
	Body struct {
		Name        *string           `json:"name,omitempty" minLength:"1" maxLength:"100" doc:"For people."`
		Permissions []auth.Permission `json:"permissions,omitempty" minItems:"1" maxItems:"100" nullable:"false" doc:"What it may still do: a part of what it may do now."`
		ExpiresAt   *time.Time        `json:"expires_at,omitempty" doc:"When it ends: in the future, earlier or later than now set. An end cannot be taken away again."`
		AllowedIPs  []string          `json:"allowed_ips,omitempty" maxItems:"50" nullable:"false" doc:"Where it works from; [] is anywhere."`
	}
	change apikey.Change // by check
}

// Resolve hands the input to the framework.
func (in *createAPIKeyInput) Resolve(ctx huma.Context) []error { return hold(ctx, in) }

func (in *createAPIKeyInput) check(_ context.Context, e *Edge) (err error) {
	b := in.Body
	in.change, err = keyChange(&b.Name, b.Permissions, b.ExpiresAt, b.AllowedIPs, e.Clock.Now())
	return err
}

// Resolve hands the input to the framework.
func (in *updateAPIKeyInput) Resolve(ctx huma.Context) []error { return hold(ctx, in) }

func (in *updateAPIKeyInput) check(_ context.Context, e *Edge) (err error) {
	b := in.Body
	in.change, err = keyChange(b.Name, b.Permissions, b.ExpiresAt, b.AllowedIPs, e.Clock.Now())
	return err
}

// keyChange returns what a body says of a key, or all that is wrong with it.
func keyChange(name *string, permissions []auth.Permission, end *time.Time, networks []string, now time.Time) (apikey.Change, error) {
	c := apikey.Change{Name: name}
	var wrong [3]error
	c.Permissions, wrong[0] = checkPermissions(permissions)
	c.ExpiresAt, wrong[1] = checkEnd(end, now)
	c.AllowedIPs, wrong[2] = checkNetworks(networks)
	return c, fault.Join(append(wrong[:], checkName("body.name", name))...)
}

type rotateAPIKeyInput struct {
	APIKeyPath
	Body *struct {
		OverlapSeconds *int `json:"overlap_seconds,omitempty" minimum:"0" maximum:"604800" default:"86400" doc:"How long the old key still works: at most seven days; 0 ends it at once, for one that has leaked."`
	}
}

const defaultKeyOverlap = 24 * time.Hour

func (in *rotateAPIKeyInput) overlap() time.Duration {
	if in.Body == nil || in.Body.OverlapSeconds == nil {
		return defaultKeyOverlap
	}
	return time.Duration(*in.Body.OverlapSeconds) * time.Second
}

// checkPermissions returns a list sorted and each once, if all exist.
func checkPermissions(list []auth.Permission) ([]auth.Permission, error) {
	var faults []error
	for i, p := range list {
		if auth.Description[p] == "" {
			faults = append(faults, fault.InvalidField(fmt.Sprintf("body.permissions[%d]", i), fmt.Sprintf("%q is no permission", p)))
		}
	}
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return slices.Compact(sorted), fault.Join(faults...)
}

func checkNetworks(list []string) ([]string, error) {
	if list == nil {
		return nil, nil
	}
	var faults []error
	for i, text := range list {
		if _, err := apikey.ParseNetworks([]string{text}); err != nil {
			faults = append(faults, fault.InvalidField(fmt.Sprintf("body.allowed_ips[%d]", i), err.Error()))
		}
	}
	if len(faults) > 0 {
		return nil, fault.Join(faults...)
	}
	return apikey.ParseNetworks(list)
}

// maxLife bounds an end that is set, so that every store can keep it.
const maxLife = 100 * 365 * 24 * time.Hour

// checkEnd returns the end in whole seconds, if it lies ahead.
func checkEnd(at *time.Time, now time.Time) (*time.Time, error) {
	if at == nil {
		return nil, nil
	}
	end := at.UTC().Truncate(time.Second)
	if !end.After(now) || end.After(now.Add(maxLife)) {
		return nil, fault.InvalidField("body.expires_at", "must lie in the future, and within 100 years")
	}
	return &end, nil
}

// lockKeys locks a key and the one that the caller calls with, and returns the
// first and what the caller may give. What requests know of the caller may be
// five seconds old, so the truth is read: a key that was revoked a second ago
// makes no other.
func (e *Edge) lockKeys(ctx context.Context, tx pg.Tx, org id.Org, key id.APIKey) (apikey.Stored, apikey.Grant, error) {
	caller := callOf(ctx).caller
	keys := []id.APIKey{caller.APIKey, key}
	locked, err := apikey.Lock(ctx, tx, org, slices.DeleteFunc(keys, id.APIKey.IsZero)...)
	if err != nil {
		return apikey.Stored{}, apikey.Grant{}, err
	}
	if caller.IsStaff() {
		return locked[key], apikey.Grant{Permissions: caller.Permissions}, nil
	}
	own, ok := locked[caller.APIKey]
	if status := own.Status(e.Clock.Now()); !ok || status == apikey.Expired || status == apikey.Revoked {
		return apikey.Stored{}, apikey.Grant{}, apikey.ErrUnknown.Because(fmt.Errorf("key %s was ended while its call ran", caller.APIKey))
	}
	return locked[key], apikey.GrantOf(own.APIKey), nil
}

// repairAfter projects a key as soon as its change is committed. If that fails,
// or nothing comes of it, the key's next use does it.
func (e *Edge) repairAfter(ctx context.Context, org id.Org, hash apikey.Hash) {
	call := callOf(ctx)
	call.committed = append(call.committed, func(ctx context.Context) {
		if err := e.Keys.Repair(ctx, org, hash); err != nil {
			call.note(slog.String("projecting_failed", err.Error()))
		}
	})
}

// issue writes a new key and replies with its plain text.
func (e *Edge) issue(ctx context.Context, tx pg.Tx, org id.Org, k apikey.APIKey) (*createdAPIKeyOutput, error) {
	plain := apikey.Generate()
	hash, err := apikey.Parse(plain)
	if err != nil {
		return nil, err
	}
	k.KeyStart = apikey.Start(plain)
	if err := apikey.Insert(ctx, tx, org, k, hash); err != nil {
		return nil, err
	}
	e.repairAfter(ctx, org, hash)
	out := &createdAPIKeyOutput{Location: "/v1/api-keys/" + k.ID.String()}
	out.Body.APIKeyBody, out.Body.Key = showAPIKey(k, apikey.Usage{}, e.Clock.Now()), plain
	return out, nil
}

func (e *Edge) createAPIKey(ctx context.Context, tx pg.Tx, org id.Org, in *createAPIKeyInput) (*createdAPIKeyOutput, error) {
	now, c := e.Clock.Now(), in.change
	_, grant, err := e.lockKeys(ctx, tx, org, id.APIKey{})
	if err != nil {
		return nil, err
	}
	k := apikey.APIKey{ID: id.New[id.APIKey](now), Name: in.Body.Name, Permissions: c.Permissions, AllowedIPs: c.AllowedIPs, CreatedAt: now, ExpiresAt: c.ExpiresAt}
	if err := grant.Check(k); err != nil {
		return nil, err
	}
	callOf(ctx).audit(nil, apiKeyFields(k), apiKeyTarget(k.ID))
	return e.issue(ctx, tx, org, k)
}

func (e *Edge) updateAPIKey(ctx context.Context, tx pg.Tx, org id.Org, in *updateAPIKeyInput) (*apiKeyOutput, error) {
	k, grant, err := e.lockKeys(ctx, tx, org, in.ID)
	if err != nil {
		return nil, err
	}
	if k.ID.IsZero() {
		return nil, apikey.ErrNotFound
	}
	before := k.APIKey
	k.APIKey, err = before.Apply(in.change, grant, e.Clock.Now())
	if err != nil {
		return nil, err
	}
	callOf(ctx).audit(apiKeyFields(before), apiKeyFields(k.APIKey), apiKeyTarget(k.ID))
	if err := e.save(ctx, tx, org, k); err != nil {
		return nil, err
	}
	return e.replyKey(ctx, k)
}

// save writes a changed key, and has its projection written anew.
func (e *Edge) save(ctx context.Context, tx pg.Tx, org id.Org, k apikey.Stored) error {
	if err := apikey.Save(ctx, tx, org, k.APIKey); err != nil {
		return err
	}
	e.repairAfter(ctx, org, k.Hash)
	return e.Keys.Forget(ctx, k.Hash)
}

func (e *Edge) rotateAPIKey(ctx context.Context, tx pg.Tx, org id.Org, in *rotateAPIKeyInput) (*createdAPIKeyOutput, error) {
	k, grant, err := e.lockKeys(ctx, tx, org, in.ID)
	if err != nil {
		return nil, err
	}
	if k.ID.IsZero() {
		return nil, apikey.ErrNotFound
	}
	before := k.APIKey
	old, next, err := before.Rotate(in.overlap(), grant, e.Clock.Now())
	if err != nil {
		return nil, err
	}
	callOf(ctx).audit(apiKeyFields(before), apiKeyFields(old), apiKeyTarget(old.ID), apiKeyTarget(next.ID))
	k.APIKey = old
	if err := e.save(ctx, tx, org, k); err != nil {
		return nil, err
	}
	return e.issue(ctx, tx, org, next)
}

func (e *Edge) revokeAPIKey(ctx context.Context, tx pg.Tx, org id.Org, in *APIKeyPath) (*apiKeyOutput, error) {
	locked, err := apikey.Lock(ctx, tx, org, in.ID)
	if err != nil {
		return nil, err
	}
	k, ok := locked[in.ID]
	if !ok {
		return nil, apikey.ErrNotFound
	}
	before, now := k.APIKey, e.Clock.Now()
	if err := e.Keys.Deny(ctx, k.Hash, now); err != nil {
		return nil, err
	}
	if k.RevokedAt == nil {
		k.RevokedAt = &now
	}
	callOf(ctx).audit(apiKeyFields(before), apiKeyFields(k.APIKey), apiKeyTarget(k.ID))
	if err := apikey.Save(ctx, tx, org, k.APIKey); err != nil {
		return nil, err
	}
	return e.replyKey(ctx, k)
}
