package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/name"
	"portico/shared/org"
	"portico/shared/pg"
)

// CreateOrganization asks for an organization with its first API key.
type CreateOrganization struct {
	Name    string `json:"name"`
	KeyName string `json:"key_name"` // "": `first`
}

// CreatedOrganization is the reply; the key's plain text exists nowhere else.
type CreatedOrganization struct {
	OrganizationID string `json:"organization_id"`
	APIKeyID       string `json:"api_key_id"`
	APIKey         string `json:"api_key"`
}

// CreateOrganization makes an organization and a key with every permission. If
// projecting the key fails, its first use does it.
func (b Bootstrap) CreateOrganization(ctx context.Context, in CreateOrganization) (CreatedOrganization, error) {
	in.KeyName = cmp.Or(in.KeyName, "first")
	if err := errors.Join(checkName("name", in.Name), checkName("key_name", in.KeyName)); err != nil {
		return CreatedOrganization{}, err
	}
	now := b.Clock.Now()
	o := org.Organization{ID: id.New[id.Org](now), Name: in.Name, CreatedAt: now}
	key := apikey.APIKey{ID: id.New[id.APIKey](now), Name: in.KeyName, Permissions: auth.All(), CreatedAt: now}
	plain := apikey.Generate()
	key.KeyStart = apikey.Start(plain)
	hash, err := apikey.Parse(plain)
	if err != nil {
		return CreatedOrganization{}, err
	}
	err = b.DB.InOrg(ctx, o.ID, func(tx pg.Tx) error {
		if err := org.Insert(ctx, tx, o); err != nil {
			return err
		}
		if err := apikey.Insert(ctx, tx, o.ID, key, hash); err != nil {
			return err
		}
		e := entryOf(ctx, "create_organization", now)
		e.Action, e.Targets = "organization.create", []audit.Target{audit.Of("organization", o.ID), audit.Of("api_key", key.ID)}
		e.After = audit.Fields{"name": o.Name, "key_name": key.Name}
		return audit.Insert(ctx, tx, o.ID, e)
	})
	if err != nil {
		return CreatedOrganization{}, err
	}
	_ = b.Keys.Project(ctx, o.ID, key, nil, hash)
	return CreatedOrganization{OrganizationID: o.ID.String(), APIKeyID: key.ID.String(), APIKey: plain}, nil
}

// checkName refuses a name that is missing, long or misleading.
func checkName(field, text string) error {
	if text == "" || len(text) > 200 {
		return fmt.Errorf("%q must be a name of 1 to 200 bytes", field)
	}
	if err := name.Check(text); err != nil {
		return fmt.Errorf("%q %w", field, err)
	}
	return nil
}
