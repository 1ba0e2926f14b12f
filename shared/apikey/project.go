package apikey

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

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
	return p.put(ctx, hash, k.ExpiresAt, item{
		"org": &types.AttributeValueMemberS{Value: org.String()}, "id": &types.AttributeValueMemberS{Value: k.ID.String()},
		"permissions": set(permissions), "allowed_ips": set(k.AllowedIPs),
	})
}

func set(texts []string) types.AttributeValue {
	if len(texts) == 0 {
		return nil // DynamoDB has no empty sets
	}
	return &types.AttributeValueMemberSS{Value: texts}
}

// put writes attributes, and takes away those that are nil.
func (p *Projection) put(ctx context.Context, hash Hash, expires *time.Time, attributes item) error {
	attributes["expires_at"] = nil
	if expires != nil {
		attributes["expires_at"] = seconds(*expires)
	}
	var sets, removes []string
	names, values := map[string]string{}, item{}
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
	_, err := p.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &p.table, Key: keyOf(hash), UpdateExpression: &update,
		ConditionExpression:      aws.String("attribute_not_exists(revoked_at)"),
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	})
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
	_, err := p.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &p.table, Key: keyOf(hash), UpdateExpression: aws.String("REMOVE org, id, #p, allowed_ips, expires_at"),
		ExpressionAttributeNames: map[string]string{"#p": "permissions"},
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
	_, err := p.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &p.table, Key: keyOf(hash), UpdateExpression: aws.String("SET revoked_at = if_not_exists(revoked_at, :at)"),
		ExpressionAttributeValues: item{":at": &types.AttributeValueMemberS{Value: now.Format(time.RFC3339)}},
	})
	if err != nil {
		return failure(fmt.Errorf("apikey.Deny: %w", err))
	}
	p.drop(hash)
	return nil
}
