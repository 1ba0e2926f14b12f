package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

type call[I, O any] func(context.Context, *I, ...func(*dynamodb.Options)) (*O, error)

// calls are the calls of DynamoDB that tables make. They are kept in place of the client:
// a program keeps all methods of a type that reflection can reach, and those of the client
// are a quarter of a megabyte of a function's zip.
type calls struct {
	getItem      call[dynamodb.GetItemInput, dynamodb.GetItemOutput]
	putItem      call[dynamodb.PutItemInput, dynamodb.PutItemOutput]
	updateItem   call[dynamodb.UpdateItemInput, dynamodb.UpdateItemOutput]
	deleteItem   call[dynamodb.DeleteItemInput, dynamodb.DeleteItemOutput]
	batchGetItem call[dynamodb.BatchGetItemInput, dynamodb.BatchGetItemOutput]
	query        call[dynamodb.QueryInput, dynamodb.QueryOutput]
}

func callsOf(c *dynamodb.Client) calls {
	return calls{c.GetItem, c.PutItem, c.UpdateItem, c.DeleteItem, c.BatchGetItem, c.Query}
}

// Query makes calls a client of the SDK's paginator.
func (c calls) Query(ctx context.Context, in *dynamodb.QueryInput, options ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return c.query(ctx, in, options...)
}
