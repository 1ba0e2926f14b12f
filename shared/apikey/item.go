package apikey

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portico/shared/auth"
	"portico/shared/id"
)

// The attributes of an item that are the projection's; others in the same item
// are not touched. org, id, staff, permissions, allowed_ips and expires_at are
// a copy of the row. revoked_at outlives every copy, and last_used_at is kept
// here only.

// errNoProjection is the state of a key that was never projected, or whose
// projection was forgotten or lost.
var errNoProjection = errors.New("unknown key")

// holder is what an item says of its key.
type holder struct {
	caller     auth.Caller
	expires    time.Time // zero: never
	revokedAt  string    // empty: not revoked
	allowedIPs []string
}

// admit returns nil, or why the key may not be used now from there: for the log.
func (h holder) admit(now time.Time, from netip.Addr) error {
	_, name := h.caller.Actor()
	switch {
	case h.revokedAt != "":
		return fmt.Errorf("key %s revoked at %s", name, h.revokedAt)
	case !h.expires.IsZero() && !now.Before(h.expires):
		return fmt.Errorf("key %s expired at %s", name, h.expires)
	case len(h.allowedIPs) > 0 && !contains(h.allowedIPs, from):
		return fmt.Errorf("key %s does not work from %s", name, from)
	}
	return nil
}

type item = map[string]types.AttributeValue

func text(i item, name string) string {
	if v, ok := i[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func texts(i item, name string) []string {
	if v, ok := i[name].(*types.AttributeValueMemberSS); ok {
		return v.Value
	}
	return nil
}

// moment reads whole seconds; without the attribute it is zero.
func moment(i item, name string) (time.Time, error) {
	n, ok := i[name].(*types.AttributeValueMemberN)
	if !ok {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("apikey: %s: %w", name, err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func decode(i item) (h holder, err error) {
	if text(i, "id") == "" {
		return h, errNoProjection
	}
	h.revokedAt, h.allowedIPs = text(i, "revoked_at"), texts(i, "allowed_ips")
	if h.expires, err = moment(i, "expires_at"); err != nil {
		return h, err
	}
	if h.caller.StaffName = text(i, "staff"); h.caller.StaffName != "" {
		h.caller.Permissions = auth.All()
		h.caller.StaffKey, err = id.Parse[id.StaffKey](text(i, "id"))
		return h, err
	}
	if h.caller.Org, err = id.Parse[id.Org](text(i, "org")); err != nil {
		return h, fmt.Errorf("apikey: item without organization: %w", err)
	}
	if h.caller.APIKey, err = id.Parse[id.APIKey](text(i, "id")); err != nil {
		return h, fmt.Errorf("apikey: item without id: %w", err)
	}
	for _, s := range texts(i, "permissions") {
		h.caller.Permissions = append(h.caller.Permissions, auth.Permission(s))
	}
	return h, nil
}

// read returns the item, strongly consistent; without one it is empty.
func (p *Projection) read(ctx context.Context, hash Hash, _ time.Time) (item, error) {
	out, err := p.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &p.table, Key: keyOf(hash), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// stamp does the same and writes down that the key was sent. It makes no item:
// junk leaves nothing behind.
func (p *Projection) stamp(ctx context.Context, hash Hash, now time.Time) (item, error) {
	out, err := p.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &p.table, Key: keyOf(hash), ReturnValues: types.ReturnValueAllNew,
		UpdateExpression: aws.String("SET last_used_at = :now"), ConditionExpression: aws.String("attribute_exists(id)"),
		ExpressionAttributeValues: item{":now": seconds(now)},
	})
	if isRefused(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

// isRefused reports whether an update's condition did not hold.
func isRefused(err error) bool {
	var refused *types.ConditionalCheckFailedException
	return errors.As(err, &refused)
}

func seconds(t time.Time) *types.AttributeValueMemberN {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(t.Unix(), 10)}
}

func keyOf(hash Hash) item {
	return item{"hash": &types.AttributeValueMemberS{Value: hex.EncodeToString(hash[:])}}
}
