// Package org is about organizations, the tenants: everything that a customer has
// belongs to one organization, and no other one can see it.
package org

import (
	"context"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// Organization is a tenant.
type Organization struct {
	ID       id.Org
	Name     string
	Settings Settings
	Branding Branding
	// Version counts changes.
	Version   int32
	CreatedAt time.Time
	UpdatedAt time.Time
}

var (
	// ErrNotFound is returned when the organization does not exist or is deleted.
	ErrNotFound = fault.New(fault.NotFound, "organization_not_found", "There is no organization with this id, or your key cannot enter it.").
			Means("There is no organization with this id, or your key cannot enter it.")
	// ErrExists is returned when an organization with this id exists. This
	// happens only with an id that was derived from an Idempotency-Key.
	ErrExists = fault.New(fault.Conflict, "organization_exists",
		"This Idempotency-Key made an organization more than 24 hours ago. List the organizations to find it, or send a new key to make another one.").
		Means("The Idempotency-Key made an organization more than 24 hours ago.")
	// ErrVersion is returned when the organization has changed since the version
	// that the change is based on.
	ErrVersion = fault.New(fault.Conflict, "version_mismatch",
		"The organization has changed since you read it. Read it again and send your change with its version.").
		Means("The organization has changed since you read it.")
)

const columns = `id, name, settings, branding, version, created_at, updated_at`

// Insert writes a new organization, or returns ErrExists. tx is bound to its own id.
func Insert(ctx context.Context, tx pg.Tx, o Organization) error {
	made, err := pg.Affect(ctx, tx, "org.Insert", `
		INSERT INTO organization (id, name, created_at, updated_at) VALUES ($1, $2, $3, $3) ON CONFLICT (id) DO NOTHING`, o.ID, o.Name, o.CreatedAt)
	if err == nil && made == 0 {
		return ErrExists
	}
	return err
}

// Get returns the organization, or ErrNotFound once it is marked as deleted.
func Get(ctx context.Context, tx pg.Tx, org id.Org) (Organization, error) {
	return get(ctx, tx, org, "")
}

// Lock returns the organization, or ErrNotFound, and locks it until the
// transaction ends, so that no other transaction changes or closes it. Rows that
// belong to it can still be written.
func Lock(ctx context.Context, tx pg.Tx, org id.Org) (Organization, error) {
	return get(ctx, tx, org, " FOR NO KEY UPDATE")
}

func get(ctx context.Context, tx pg.Tx, org id.Org, lock string) (Organization, error) {
	return pg.One[Organization](ctx, tx, "org.Get", ErrNotFound, `SELECT `+columns+` FROM organization WHERE id = $1 AND deleted_at IS NULL`+lock, org)
}

// GetSettings returns the settings of an organization; none if there is no such one.
func GetSettings(ctx context.Context, tx pg.Tx, org id.Org) (Settings, error) {
	return pg.One[Settings](ctx, tx, "org.GetSettings", nil, `SELECT settings FROM organization WHERE id = $1`, org)
}

// Change names the fields to change; nil leaves one as it is.
type Change struct {
	// Version is the version that the change is based on; nil: any version.
	Version *int32
	Name    *string
	// Settings: null sets a setting back to its default.
	Settings map[string]any
	Branding BrandingChange
}

// Update changes the organization and returns it before and after.
func Update(ctx context.Context, tx pg.Tx, org id.Org, c Change, now time.Time) (before, after Organization, err error) {
	if before, err = Lock(ctx, tx, org); err != nil {
		return before, after, err
	}
	if c.Version != nil && *c.Version != before.Version {
		return before, after, ErrVersion
	}
	after = before
	if c.Name != nil {
		after.Name = *c.Name
	}
	after.Settings = before.Settings.with(c.Settings)
	after.Branding = before.Branding.with(c.Branding)
	if model := after.Settings.RoleModel(); model != before.Settings.RoleModel() {
		if err := fits(ctx, tx, org, model, now); err != nil {
			return before, after, err
		}
	}
	after.Version++
	after.UpdatedAt = now
	err = pg.Exec(ctx, tx, "org.Update", `UPDATE organization SET name = $2, settings = $3, branding = $4, version = $5, updated_at = $6 WHERE id = $1`,
		org, after.Name, after.Settings, after.Branding, after.Version, now)
	return before, after, err
}
