package apikey

import (
	"context"
	"fmt"
	"strings"
	"time"

	"portico/shared/auth"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/pg"
)

// Project writes the projection of a key with these limits of its own. It changes no
// other attribute of the item and never makes a revoked key valid again. The caller
// must have locked the row, or have just created it.
func (p *Projection) Project(ctx context.Context, org id.Org, k APIKey, limits limit.Overrides, hash Hash) error {
	item := dynamo.Item{
		"org": dynamo.Text(org.String()), "id": dynamo.Text(k.ID.String()),
		"permissions": dynamo.Texts(textsOf(k.Permissions)), "allowed_ips": dynamo.Texts(k.AllowedIPs),
		limit.OverrideAttribute: nil,
	}
	if len(limits) > 0 {
		item[limit.OverrideAttribute] = dynamo.Text(limits.String())
	}
	return p.put(ctx, hash, k.ExpiresAt, item)
}

func textsOf(permissions []auth.Permission) []string {
	texts := make([]string, len(permissions))
	for i, p := range permissions {
		texts[i] = string(p)
	}
	return texts
}

// put writes attributes, and removes those that are nil.
func (p *Projection) put(ctx context.Context, hash Hash, expires *time.Time, attributes dynamo.Item) error {
	attributes["expires_at"] = nil
	if expires != nil {
		attributes["expires_at"] = dynamo.Number(expires.Unix())
	}
	var sets, removes []string
	names, values := map[string]string{}, dynamo.Item{}
	for name, value := range attributes {
		names["#"+name] = name
		if value == nil {
			removes = append(removes, "#"+name)
			continue
		}
		sets, values[":"+name] = append(sets, "#"+name+" = :"+name), value
	}
	update := "SET " + strings.Join(sets, ", ")
	if len(removes) > 0 {
		update += " REMOVE " + strings.Join(removes, ", ")
	}
	err := p.table.Update(ctx, keyOf(hash), dynamo.Write{Update: update, If: "attribute_not_exists(revoked_at)", Names: names, Values: values})
	if err != nil {
		return fmt.Errorf("apikey.put: %w", err)
	}
	p.drop(hash)
	return nil
}

// Forget removes the projection of a key that is about to change. The caller has
// locked the row and has not committed yet. The next request with the key waits
// for the lock and then projects the committed row. So, whether the change is
// committed or not, the old projection is used only while it is cached.
func (p *Projection) Forget(ctx context.Context, hash Hash) error {
	err := p.table.Update(ctx, keyOf(hash), dynamo.Write{
		Update: "REMOVE org, id, #p, allowed_ips, expires_at, #l", Names: map[string]string{"#p": "permissions", "#l": limit.OverrideAttribute},
	})
	if err != nil {
		return failure(fmt.Errorf("apikey.Forget: %w", err))
	}
	p.drop(hash)
	return nil
}

// DenyAll calls Deny for every key of an organization that is being closed.
func (p *Projection) DenyAll(ctx context.Context, tx pg.Tx, org id.Org, now time.Time) error {
	var after id.APIKey
	for {
		keys, err := List(ctx, tx, org, after, 100)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, k := range keys {
			if k.works(now) != nil {
				continue
			}
			if err := p.Deny(ctx, k.Hash, now); err != nil {
				return err
			}
		}
		after = keys[len(keys)-1].ID
	}
}

// Deny makes a key invalid for ever; after cacheFor this is true in every
// environment. It is called before the row is committed: otherwise a failure in
// between could leave a key valid that is reported as revoked.
func (p *Projection) Deny(ctx context.Context, hash Hash, now time.Time) error {
	err := p.table.Update(ctx, keyOf(hash), dynamo.Write{
		Update: "SET revoked_at = if_not_exists(revoked_at, :at)", Values: dynamo.Item{":at": dynamo.Text(now.Format(time.RFC3339))},
	})
	if err != nil {
		return failure(fmt.Errorf("apikey.Deny: %w", err))
	}
	p.drop(hash)
	return nil
}
