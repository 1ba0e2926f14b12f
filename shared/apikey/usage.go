package apikey

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"portico/shared/dynamo"
)

// Usage is what is stored about a key only in DynamoDB.
type Usage struct {
	LastUsedAt *time.Time // nil: not since the item was made
	Denied     bool       // a revocation was begun
}

// Usage returns the usage of up to a hundred keys, by hash, in one call.
func (p *Projection) Usage(ctx context.Context, keys []Stored) (map[Hash]Usage, error) {
	hashes := make([]string, len(keys))
	for i, k := range keys {
		hashes[i] = keyOf(k.Hash)
	}
	items, err := p.table.GetAll(ctx, hashes, "#h, last_used_at, revoked_at", map[string]string{"#h": "hash"})
	if err != nil {
		return nil, failure(fmt.Errorf("apikey.Usage: %w", err))
	}
	found := map[Hash]Usage{}
	for _, i := range items {
		if err := addUsage(found, i); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func addUsage(found map[Hash]Usage, i dynamo.Item) error {
	var hash Hash
	if n, err := hex.Decode(hash[:], []byte(dynamo.TextOf(i["hash"]))); err != nil || n != len(hash) {
		return fmt.Errorf("apikey.Usage: an item without hash: %w", err)
	}
	at, err := moment(i, "last_used_at")
	if err != nil {
		return err
	}
	u := Usage{Denied: dynamo.TextOf(i["revoked_at"]) != ""}
	if !at.IsZero() {
		u.LastUsedAt = &at
	}
	found[hash] = u
	return nil
}
