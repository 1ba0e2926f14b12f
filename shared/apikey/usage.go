package apikey

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Usage is what only DynamoDB knows of a key.
type Usage struct {
	LastUsedAt *time.Time // nil: not since the item was made
	Denied     bool       // a revocation was begun
}

// usageTries bounds how often what DynamoDB left out is asked for again.
const usageTries = 5

// Usage returns the usage of up to a hundred keys, by hash, in one call.
func (p *Projection) Usage(ctx context.Context, keys []Stored) (map[Hash]Usage, error) {
	found := map[Hash]Usage{}
	request := map[string]types.KeysAndAttributes{}
	if len(keys) > 0 {
		request[p.table] = usageRequest(keys)
	}
	for try := 0; len(request) > 0; try++ {
		if try == usageTries {
			return nil, failure(errors.New("apikey.Usage: DynamoDB leaves keys out"))
		}
		out, err := p.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: request})
		if err != nil {
			return nil, failure(fmt.Errorf("apikey.Usage: %w", err))
		}
		for _, i := range out.Responses[p.table] {
			if err := addUsage(found, i); err != nil {
				return nil, err
			}
		}
		request = out.UnprocessedKeys
	}
	return found, nil
}

func usageRequest(keys []Stored) types.KeysAndAttributes {
	projection, consistent := "#h, last_used_at, revoked_at", true
	r := types.KeysAndAttributes{
		ProjectionExpression: &projection, ConsistentRead: &consistent, ExpressionAttributeNames: map[string]string{"#h": "hash"},
	}
	for _, k := range keys {
		r.Keys = append(r.Keys, keyOf(k.Hash))
	}
	return r
}

func addUsage(found map[Hash]Usage, i item) error {
	var hash Hash
	if n, err := hex.Decode(hash[:], []byte(text(i, "hash"))); err != nil || n != len(hash) {
		return fmt.Errorf("apikey.Usage: an item without hash: %w", err)
	}
	at, err := moment(i, "last_used_at")
	if err != nil {
		return err
	}
	u := Usage{Denied: text(i, "revoked_at") != ""}
	if !at.IsZero() {
		u.LastUsedAt = &at
	}
	found[hash] = u
	return nil
}
