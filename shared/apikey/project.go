package apikey

import (
	"context"
	"fmt"
	"strings"
	"time"

	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/pg"
)

// Project writes what requests need to know of a key. It touches no other
// attribute of the item and never revives a revoked key. Only who holds the
// row's lock may call it, or who has just made the row.
func (p *Projection) Project(ctx context.Context, org id.Org, k APIKey, hash Hash) error {
	permissions := make([]string, len(k.Permissions))
	for i, permission := range k.Permissions {
		permissions[i] = string(permission)
	}
	return p.put(ctx, hash, k.ExpiresAt, dynamo.Item{
		"org": dynamo.Text(org.String()), "id": dynamo.Text(k.ID.String()),
		"permissions": dynamo.Texts(permissions), "allowed_ips": dynamo.Texts(k.AllowedIPs),
	})
}

// put writes attributes, and takes away those that are nil.
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

// Forget takes the projection of a key away that is about to change, under the
// row's lock and before the commit. Whoever asks for the key next waits for the
// lock and projects what was committed: however the change ends, no request
// sees the key as it was before it for longer than the cache lasts.
func (p *Projection) Forget(ctx context.Context, hash Hash) error {
	err := p.table.Update(ctx, keyOf(hash), dynamo.Write{
		Update: "REMOVE org, id, #p, allowed_ips, expires_at", Names: map[string]string{"#p": "permissions"},
	})
	if err != nil {
		return failure(fmt.Errorf("apikey.Forget: %w", err))
	}
	p.drop(hash)
	return nil
}

// DenyAll denies every key of an organization that is being closed.
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

// Deny makes a key useless for ever, in every environment after cacheFor. It
// comes before the commit of the row, so that no failure leaves a key at work
// that somebody was told is revoked.
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
