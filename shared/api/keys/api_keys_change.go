package keys

import (
	"fmt"
	"slices"
	"time"

	"portico/shared/api/edge"
	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/limit/override"
)

type createAPIKeyInput struct {
	Body struct {
		Name        string            `json:"name" minLength:"1" maxLength:"100" doc:"A name that tells people which key it is." example:"billing, production"`
		Permissions []auth.Permission `json:"permissions" minItems:"1" maxItems:"100" nullable:"false" doc:"The key's permissions. The key that you call with must have them all." example:"[\"events:write\"]"`
		ExpiresAt   *time.Time        `json:"expires_at,omitempty" doc:"When the key expires, to the second. If left out, it does not expire."`
		AllowedIPs  []string          `json:"allowed_ips,omitempty" maxItems:"50" nullable:"false" doc:"The IP addresses and CIDR prefixes that may use the key. If left out, any address may." example:"[\"203.0.113.0/24\"]"`
	}
	change apikey.Change // set by Check
}

type updateAPIKeyInput struct {
	APIKeyPath
	Body struct {
		Name        *string           `json:"name,omitempty" minLength:"1" maxLength:"100" doc:"A name that tells people which key it is."`
		Permissions []auth.Permission `json:"permissions,omitempty" minItems:"1" maxItems:"100" nullable:"false" doc:"The permissions that the key keeps."`
		ExpiresAt   *time.Time        `json:"expires_at,omitempty" doc:"When the key expires: a time in the future, earlier or later than the one set now. An expiry cannot be removed."`
		AllowedIPs  []string          `json:"allowed_ips,omitempty" maxItems:"50" nullable:"false" doc:"The IP addresses and CIDR prefixes that may use the key; [] allows any address."`
	}
	change apikey.Change // set by Check
}

// Resolve hands the input to the frame.
func (in *createAPIKeyInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createAPIKeyInput) Check(c *edge.Call) (err error) {
	b := in.Body
	in.change, err = keyChange(&b.Name, b.Permissions, b.ExpiresAt, b.AllowedIPs, c.Now())
	return err
}

// Resolve hands the input to the frame.
func (in *updateAPIKeyInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *updateAPIKeyInput) Check(c *edge.Call) (err error) {
	b := in.Body
	in.change, err = keyChange(b.Name, b.Permissions, b.ExpiresAt, b.AllowedIPs, c.Now())
	return err
}

// keyChange returns the change that a body asks for, or all errors in the body.
func keyChange(name *string, permissions []auth.Permission, end *time.Time, networks []string, now time.Time) (apikey.Change, error) {
	c := apikey.Change{Name: name}
	var wrong [3]error
	c.Permissions, wrong[0] = checkPermissions(permissions)
	c.ExpiresAt, wrong[1] = checkEnd(end, now)
	c.AllowedIPs, wrong[2] = checkNetworks(networks)
	return c, fault.Join(append(wrong[:], edge.CheckName("body.name", name))...)
}

type rotateAPIKeyInput struct {
	APIKeyPath
	Body *struct {
		OverlapSeconds *int `json:"overlap_seconds,omitempty" minimum:"0" maximum:"604800" default:"86400" doc:"How long the old key still works: at most seven days. Send 0 if the old key has leaked: it ends at once."`
	}
}

const defaultKeyOverlap = 24 * time.Hour

func (in *rotateAPIKeyInput) overlap() time.Duration {
	if in.Body == nil || in.Body.OverlapSeconds == nil {
		return defaultKeyOverlap
	}
	return time.Duration(*in.Body.OverlapSeconds) * time.Second
}

// checkPermissions returns a sorted list without duplicates, or an error for each
// permission that does not exist.
func checkPermissions(list []auth.Permission) ([]auth.Permission, error) {
	var faults []error
	for i, p := range list {
		if auth.Description[p] == "" {
			faults = append(faults, fault.InvalidField(fmt.Sprintf("body.permissions[%d]", i), fmt.Sprintf("%q is not a permission. List them with GET /v1/permissions", p)))
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

// maxLife limits the time until a key expires, so that every store can hold it.
const maxLife = 100 * 365 * 24 * time.Hour

// checkEnd returns the expiry in whole seconds, or an error if it is not in the
// future.
func checkEnd(at *time.Time, now time.Time) (*time.Time, error) {
	if at == nil {
		return nil, nil
	}
	end := at.UTC().Truncate(time.Second)
	if !end.After(now) || end.After(now.Add(maxLife)) {
		return nil, fault.InvalidField("body.expires_at", "must be in the future and within 100 years")
	}
	return &end, nil
}

// issue writes a new key and replies with its plain text.
func issue(c *edge.Call, k apikey.APIKey) (*createdAPIKeyOutput, error) {
	plain := apikey.Generate()
	hash, err := apikey.Parse(plain)
	if err != nil {
		return nil, err
	}
	k.KeyStart = apikey.Start(plain)
	if err := apikey.Insert(c, c.Tx, c.Org, k, hash); err != nil {
		return nil, err
	}
	c.ProjectKey(hash)
	out := &createdAPIKeyOutput{Location: "/v1/api-keys/" + k.ID.String()}
	out.Body.APIKeyBody, out.Body.Key = showAPIKey(k, apikey.Usage{}, c.Now()), plain
	return out, nil
}

func create(c *edge.Call, in *createAPIKeyInput) (*createdAPIKeyOutput, error) {
	now, set := c.Now(), in.change
	_, grant, err := c.LockKey(id.APIKey{})
	if err != nil {
		return nil, err
	}
	k := apikey.APIKey{ID: id.New[id.APIKey](now), Name: in.Body.Name, Permissions: set.Permissions, AllowedIPs: set.AllowedIPs, CreatedAt: now, ExpiresAt: set.ExpiresAt}
	if err := grant.Check(k); err != nil {
		return nil, err
	}
	c.Audit(nil, apiKeyFields(k), apiKeyTarget(k.ID))
	return issue(c, k)
}

func update(c *edge.Call, in *updateAPIKeyInput) (*apiKeyOutput, error) {
	k, grant, err := c.LockKey(in.ID)
	if err != nil {
		return nil, err
	}
	if k.ID.IsZero() {
		return nil, apikey.ErrNotFound
	}
	before := k.APIKey
	k.APIKey, err = before.Apply(in.change, grant, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(apiKeyFields(before), apiKeyFields(k.APIKey), apiKeyTarget(k.ID))
	if err := save(c, k); err != nil {
		return nil, err
	}
	return replyKey(c, k)
}

// save writes a changed key, forgets its projection and writes that again after
// the commit.
func save(c *edge.Call, k apikey.Stored) error {
	if err := apikey.Save(c, c.Tx, c.Org, k.APIKey); err != nil {
		return err
	}
	c.ProjectKey(k.Hash)
	return c.Keys.Forget(c, k.Hash)
}

func rotate(c *edge.Call, in *rotateAPIKeyInput) (*createdAPIKeyOutput, error) {
	k, grant, err := c.LockKey(in.ID)
	if err != nil {
		return nil, err
	}
	if k.ID.IsZero() {
		return nil, apikey.ErrNotFound
	}
	before := k.APIKey
	old, next, err := before.Rotate(in.overlap(), grant, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(apiKeyFields(before), apiKeyFields(old), apiKeyTarget(old.ID), apiKeyTarget(next.ID))
	k.APIKey = old
	if err := save(c, k); err != nil {
		return nil, err
	}
	out, err := issue(c, next)
	if err != nil {
		return nil, err
	}
	return out, override.Copy(c, c.Tx, c.Org, old.ID, next.ID)
}

func revoke(c *edge.Call, in *APIKeyPath) (*apiKeyOutput, error) {
	locked, err := apikey.Lock(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	k, ok := locked[in.ID]
	if !ok {
		return nil, apikey.ErrNotFound
	}
	before, now := k.APIKey, c.Now()
	if err := c.Keys.Deny(c, k.Hash, now); err != nil {
		return nil, err
	}
	if k.RevokedAt == nil {
		k.RevokedAt = &now
	}
	c.Audit(apiKeyFields(before), apiKeyFields(k.APIKey), apiKeyTarget(k.ID))
	if err := apikey.Save(c, c.Tx, c.Org, k.APIKey); err != nil {
		return nil, err
	}
	return replyKey(c, k)
}
