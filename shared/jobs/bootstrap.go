package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/name"
	"portico/shared/observe"
	"portico/shared/org"
	"portico/shared/pg"
)

// NewOrganization asks for an organization with its first API key.
type NewOrganization struct {
	Organization string `json:"organization"`
	KeyName      string `json:"key_name"` // "": `first`
}

// Bootstrapped is the reply; the key's plain text exists nowhere else.
type Bootstrapped struct {
	OrganizationID string `json:"organization_id"`
	APIKeyID       string `json:"api_key_id"`
	APIKey         string `json:"api_key"`
}

// Bootstrap creates an organization and a key with every permission. If
// projecting the key fails, its first use does it.
func Bootstrap(ctx context.Context, db *pg.DB, keys *apikey.Projection, clock *clock.Clock, payload json.RawMessage) (Bootstrapped, error) {
	var in NewOrganization
	if err := json.Unmarshal(payload, &in); err != nil {
		return Bootstrapped{}, fmt.Errorf("the payload is not JSON such as {\"organization\":\"Acme\"}: %w", err)
	}
	if in.Organization == "" || len(in.Organization) > 200 {
		return Bootstrapped{}, errors.New(`the payload needs "organization": its name, 1 to 200 characters`)
	}
	if in.KeyName == "" {
		in.KeyName = "first"
	}
	if err := errors.Join(name.Check(in.Organization), name.Check(in.KeyName)); err != nil {
		return Bootstrapped{}, fmt.Errorf("a name in the payload %w", err)
	}
	now := clock.Now()
	o := org.Organization{ID: id.New[id.Org](now), Name: in.Organization, CreatedAt: now}
	key := apikey.APIKey{ID: id.New[id.APIKey](now), Name: in.KeyName, Permissions: auth.All(), CreatedAt: now}
	plain := apikey.Generate()
	key.KeyStart = apikey.Start(plain)
	hash, err := apikey.Parse(plain)
	if err != nil {
		return Bootstrapped{}, err
	}
	err = db.InOrg(ctx, o.ID, func(tx pg.Tx) error {
		if err := org.Insert(ctx, tx, o); err != nil {
			return err
		}
		if err := apikey.Insert(ctx, tx, o.ID, key, hash); err != nil {
			return err
		}
		return audit.Insert(ctx, tx, o.ID, audit.Entry{
			Action: "organization.create", Actor: audit.Actor{Type: audit.System, ID: "bootstrap"},
			Targets: []audit.Target{audit.Of("organization", o.ID), audit.Of("api_key", key.ID)},
			After:   audit.Fields{"name": o.Name, "key_name": key.Name},
			Origin:  audit.Origin{RequestID: observe.RequestID(ctx)}, CreatedAt: now,
		})
	})
	if err != nil {
		return Bootstrapped{}, err
	}
	_ = keys.Project(ctx, o.ID, key, hash)
	return Bootstrapped{OrganizationID: o.ID.String(), APIKeyID: key.ID.String(), APIKey: plain}, nil
}
