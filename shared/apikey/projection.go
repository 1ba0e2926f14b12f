package apikey

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
)

// cacheFor is how long one execution environment trusts what it has read. It
// bounds how long a revoked key may still work, and makes a busy key's
// authentication free.
const cacheFor = 5 * time.Second

// cacheSize bounds the memory of an environment that sees many keys.
const cacheSize = 10_000

// Projection answers «whose key is this» from DynamoDB: hash → caller.
type Projection struct {
	client *dynamodb.Client
	table  string
	clock  *clock.Clock

	mu    sync.Mutex
	cache map[Hash]cached
}

type cached struct {
	caller  auth.Caller
	expires time.Time // the key's own end; zero: never
	until   time.Time // the cache's
}

// NewProjection returns the projection kept in table.
func NewProjection(client *dynamodb.Client, table string, clock *clock.Clock) *Projection {
	return &Projection{client: client, table: table, clock: clock, cache: map[Hash]cached{}}
}

// Caller returns who holds the key, or ErrUnknown. One strongly consistent
// read at most, none while the answer is cached.
func (p *Projection) Caller(ctx context.Context, hash Hash) (auth.Caller, error) {
	now := p.clock.Now()
	p.mu.Lock()
	c, ok := p.cache[hash]
	p.mu.Unlock()
	if !ok || !now.Before(c.until) {
		var err error
		if c, err = p.read(ctx, hash); err != nil {
			return auth.Caller{}, err
		}
		c.until = now.Add(cacheFor)
		p.remember(hash, c)
	}
	if !c.expires.IsZero() && !now.Before(c.expires) {
		return auth.Caller{}, ErrUnknown.Because(fmt.Errorf("key %s expired at %s", c.caller.APIKey, c.expires))
	}
	return c.caller, nil
}

func (p *Projection) remember(hash Hash, c cached) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.cache) >= cacheSize {
		clear(p.cache)
	}
	p.cache[hash] = c
}

func (p *Projection) read(ctx context.Context, hash Hash) (cached, error) {
	out, err := p.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &p.table, Key: keyOf(hash), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return cached{}, fault.New(fault.Unavailable, "unavailable",
			"API keys cannot be checked at the moment. Send the request again.").Because(fmt.Errorf("apikey.Caller: %w", err))
	}
	if out.Item == nil {
		return cached{}, ErrUnknown.Because(errors.New("unknown key"))
	}
	return decode(out.Item)
}

func decode(item map[string]types.AttributeValue) (cached, error) {
	var c cached
	text := func(name string) string {
		v, _ := item[name].(*types.AttributeValueMemberS)
		if v == nil {
			return ""
		}
		return v.Value
	}
	var err error
	if c.caller.Org, err = id.Parse[id.Org](text("org")); err != nil {
		return c, fmt.Errorf("apikey: item without organization: %w", err)
	}
	if c.caller.APIKey, err = id.Parse[id.APIKey](text("id")); err != nil {
		return c, fmt.Errorf("apikey: item without id: %w", err)
	}
	if at := text("revoked_at"); at != "" {
		return c, ErrUnknown.Because(fmt.Errorf("key %s revoked at %s", c.caller.APIKey, at))
	}
	if set, ok := item["permissions"].(*types.AttributeValueMemberSS); ok {
		for _, s := range set.Value {
			c.caller.Permissions = append(c.caller.Permissions, auth.Permission(s))
		}
	}
	if n, ok := item["expires_at"].(*types.AttributeValueMemberN); ok {
		seconds, err := strconv.ParseInt(n.Value, 10, 64)
		if err != nil {
			return c, fmt.Errorf("apikey: expires_at: %w", err)
		}
		c.expires = time.Unix(seconds, 0)
	}
	return c, nil
}

// Project writes what requests need to know of a key. It touches no other
// attribute of the item and never revives a revoked key. Call it after the
// commit of the row: a key that is projected exists.
func (p *Projection) Project(ctx context.Context, org id.Org, k APIKey, hash Hash) error {
	permissions := make([]string, len(k.Permissions))
	for i, permission := range k.Permissions {
		permissions[i] = string(permission)
	}
	set := "SET org = :org, id = :id, #p = :permissions"
	values := map[string]types.AttributeValue{
		":org":         &types.AttributeValueMemberS{Value: org.String()},
		":id":          &types.AttributeValueMemberS{Value: k.ID.String()},
		":permissions": &types.AttributeValueMemberSS{Value: permissions},
	}
	if k.ExpiresAt != nil {
		set += ", expires_at = :expires"
		values[":expires"] = &types.AttributeValueMemberN{Value: strconv.FormatInt(k.ExpiresAt.Unix(), 10)}
	} else {
		set += " REMOVE expires_at"
	}
	_, err := p.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &p.table, Key: keyOf(hash), UpdateExpression: &set,
		ConditionExpression:       aws.String("attribute_not_exists(revoked_at)"),
		ExpressionAttributeNames:  map[string]string{"#p": "permissions"},
		ExpressionAttributeValues: values,
	})
	if err != nil {
		return fmt.Errorf("apikey.Project %s: %w", k.ID, err)
	}
	return nil
}

func keyOf(hash Hash) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"hash": &types.AttributeValueMemberS{Value: hex.EncodeToString(hash[:])}}
}
