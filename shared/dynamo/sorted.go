package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Sorted is a table whose key is two string attributes: that of the partition and
// that of the item in it.
type Sorted struct {
	items     Table
	partition string
}

// NewSorted returns the table; partition and key are the names of its key's
// attributes.
func NewSorted(client *dynamodb.Client, name, partition, key string) Sorted {
	return Sorted{NewTable(client, name, key), partition}
}

// Partition is the items of a table that have the same first part of their key. For
// its methods the second part is an item's key.
type Partition struct{ Table }

// Partition returns the items with this first part of their key.
func (s Sorted) Partition(key string) Partition {
	t := s.items
	t.partition = Item{s.partition: Text(key)}
	return Partition{t}
}

// List reads all items of the partition whose key begins with a text, which is not
// empty, in the order of their keys and with strong consistency.
func (p Partition) List(ctx context.Context, begins string) (items []Item, err error) {
	condition, names, values := "begins_with(#k, :b)", map[string]string{"#k": p.key}, Item{":b": Text(begins)}
	for name, value := range p.partition {
		condition += " AND #p = :p"
		names["#p"], values[":p"] = name, value
	}
	pages := dynamodb.NewQueryPaginator(p.calls, &dynamodb.QueryInput{
		TableName: &p.name, KeyConditionExpression: &condition, ConsistentRead: aws.Bool(true),
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
	}
	return items, nil
}
