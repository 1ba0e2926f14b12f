package apitest

import (
	"context"
	"encoding/hex"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/apikey"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/testkit"
)

// Overrides returns what the item of the caller's key says of its limits.
func (c Caller) Overrides() string {
	c.T.Helper()
	hash, err := apikey.Parse(c.Key)
	testkit.Must(c.T, err)
	return dynamo.TextOf(c.item(c.items(c.table, "hash"), hex.EncodeToString(hash[:]))[limit.OverrideAttribute])
}

// LimitItem returns the item in which the calls of an organization are counted.
func (h *Harness) LimitItem(org id.Org) dynamo.Item {
	h.T.Helper()
	return h.item(h.items(h.limits, "id"), org.String())
}

// LoseLimitItem removes that item.
func (h *Harness) LoseLimitItem(org id.Org) {
	h.T.Helper()
	testkit.Must(h.T, h.items(h.limits, "id").Delete(context.Background(), org.String(), dynamo.Write{}))
}

func (h *Harness) items(table, key string) dynamo.Table {
	h.T.Helper()
	return dynamo.NewTable(dynamodb.NewFromConfig(testkit.AWS(testkit.DynamoDBEndpoint(h.T))), table, key)
}

func (h *Harness) item(table dynamo.Table, key string) dynamo.Item {
	h.T.Helper()
	item, err := table.Get(context.Background(), key)
	testkit.Must(h.T, err)
	return item
}
