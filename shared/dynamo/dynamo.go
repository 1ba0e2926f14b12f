// Package dynamo reads and writes single items of DynamoDB tables.
package dynamo

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Item is an item of a table: its attributes by name.
type Item = map[string]types.AttributeValue

// Table is a table whose key is one string attribute.
type Table struct {
	calls
	name, key string
	partition Item // the other attribute of the key, for a Partition
	// showsRefused is set once the store has returned an item with a refusal.
	showsRefused *atomic.Bool
}

// NewTable returns the table; key is the name of its key's attribute.
func NewTable(client *dynamodb.Client, name, key string) Table {
	return Table{calls: callsOf(client), name: name, key: key, showsRefused: &atomic.Bool{}}
}

func (t Table) at(key string) Item { return t.keyed(Item{}, key) }

// keyed sets the key of an item.
func (t Table) keyed(item Item, key string) Item {
	maps.Copy(item, t.partition)
	item[t.key] = Text(key)
	return item
}

// Get reads an item with strong consistency. If there is none, it returns an empty
// item.
func (t Table) Get(ctx context.Context, key string) (Item, error) {
	out, err := t.getItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: t.at(key), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// Write is a change of an item and the condition for it, as DynamoDB expressions.
type Write struct {
	Update string // the change, for Update; "": none
	If     string // the condition; "": none. If it is false, IsRefused is true for the error
	Names  map[string]string
	Values Item
}

// Update changes an item, or creates it.
func (t Table) Update(ctx context.Context, key string, w Write) error {
	_, err := t.update(ctx, key, w, types.ReturnValueNone)
	return err
}

// UpdateAndGet does the same and returns the item as it is then.
func (t Table) UpdateAndGet(ctx context.Context, key string, w Write) (Item, error) {
	return t.update(ctx, key, w, types.ReturnValueAllNew)
}

func (t Table) update(ctx context.Context, key string, w Write, returned types.ReturnValue) (Item, error) {
	out, err := t.updateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: t.at(key), UpdateExpression: &w.Update, ConditionExpression: optional(w.If),
		ExpressionAttributeNames: w.Names, ExpressionAttributeValues: w.Values, ReturnValues: returned,
	})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

// UpdateOrSee changes an item, or creates it, and returns it as it is then. If the
// condition is false, done is false and the item is as it was; empty if there is
// none. A store that does not return the item with the refusal, as dynalite, is
// asked once more.
func (t Table) UpdateOrSee(ctx context.Context, key string, w Write) (item Item, done bool, err error) {
	out, err := t.updateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: t.at(key), UpdateExpression: optional(w.Update), ConditionExpression: optional(w.If),
		ExpressionAttributeNames: w.Names, ExpressionAttributeValues: w.Values, ReturnValues: types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var refused *types.ConditionalCheckFailedException
	switch {
	case err == nil:
		return out.Attributes, true, nil
	case !errors.As(err, &refused):
		return nil, false, err
	case len(refused.Item) > 0:
		t.showsRefused.Store(true)
		return refused.Item, false, nil
	case t.showsRefused.Load():
		return nil, false, nil
	}
	item, err = t.Get(ctx, key)
	return item, false, err
}

// Put writes a whole item.
func (t Table) Put(ctx context.Context, key string, attributes Item, w Write) error {
	_, err := t.putItem(ctx, &dynamodb.PutItemInput{
		TableName: &t.name, Item: t.keyed(attributes, key), ConditionExpression: optional(w.If),
		ExpressionAttributeNames: w.Names, ExpressionAttributeValues: w.Values,
	})
	return err
}

// Delete removes an item, if there is one.
func (t Table) Delete(ctx context.Context, key string, w Write) error {
	_, err := t.deleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &t.name, Key: t.at(key), ConditionExpression: optional(w.If),
		ExpressionAttributeNames: w.Names, ExpressionAttributeValues: w.Values,
	})
	return err
}

// getTries is how often GetAll asks for keys that DynamoDB left out.
const getTries = 5

// GetAll reads up to a hundred items with strong consistency. It returns those
// that exist, in any order. projection names the attributes to read.
func (t Table) GetAll(ctx context.Context, keys []string, projection string, names map[string]string) (items []Item, err error) {
	request := map[string]types.KeysAndAttributes{}
	if len(keys) > 0 {
		all := types.KeysAndAttributes{ProjectionExpression: &projection, ConsistentRead: aws.Bool(true), ExpressionAttributeNames: names}
		for _, key := range keys {
			all.Keys = append(all.Keys, t.at(key))
		}
		request[t.name] = all
	}
	for try := 0; len(request) > 0; try++ {
		if try == getTries {
			return nil, errors.New("DynamoDB did not return all keys")
		}
		out, err := t.batchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: request})
		if err != nil {
			return nil, err
		}
		items = append(items, out.Responses[t.name]...)
		request = out.UnprocessedKeys
	}
	return items, nil
}

// IsRefused reports whether a write failed because its condition was false.
func IsRefused(err error) bool {
	var refused *types.ConditionalCheckFailedException
	return errors.As(err, &refused)
}

func optional(expression string) *string {
	if expression == "" {
		return nil
	}
	return &expression
}

// Text is an attribute that holds a text.
func Text(text string) types.AttributeValue { return &types.AttributeValueMemberS{Value: text} }

// Bytes is an attribute that holds bytes.
func Bytes(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

// BytesOf returns an attribute's bytes, or nil if it does not hold bytes.
func BytesOf(v types.AttributeValue) []byte {
	if b, ok := v.(*types.AttributeValueMemberB); ok {
		return b.Value
	}
	return nil
}

// Texts is an attribute that holds a set of texts; nil for none, because
// DynamoDB has no empty sets.
func Texts(texts []string) types.AttributeValue {
	if len(texts) == 0 {
		return nil
	}
	return &types.AttributeValueMemberSS{Value: texts}
}

// Number is an attribute that holds a whole number.
func Number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// Time is an attribute that holds a time in milliseconds.
func Time(t time.Time) types.AttributeValue { return Number(t.UnixMilli()) }

// TimeOf returns an attribute's time, or zero if it is not a number.
func TimeOf(v types.AttributeValue) (time.Time, error) {
	ms, ok, err := NumberOf(v)
	if !ok || err != nil {
		return time.Time{}, err
	}
	return time.UnixMilli(ms).UTC(), nil
}

// TextOf returns an attribute's text, or "" if it is not a text.
func TextOf(v types.AttributeValue) string {
	if text, ok := v.(*types.AttributeValueMemberS); ok {
		return text.Value
	}
	return ""
}

// TextsOf returns an attribute's texts, or nil if it is not a set of texts.
func TextsOf(v types.AttributeValue) []string {
	if texts, ok := v.(*types.AttributeValueMemberSS); ok {
		return texts.Value
	}
	return nil
}

// NumberOf returns an attribute's whole number, and whether it is a number at all.
func NumberOf(v types.AttributeValue) (n int64, ok bool, err error) {
	number, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return 0, false, nil
	}
	n, err = strconv.ParseInt(number.Value, 10, 64)
	return n, true, err
}
