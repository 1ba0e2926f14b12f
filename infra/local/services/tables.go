package services

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portico/infra/local/template"
)

// EnsureTables creates missing tables. TTL is left out: the functions treat an
// expired item as absent, even if it was not removed yet.
func (d *Dynalite) EnsureTables(ctx context.Context, tables []template.Table) error {
	client := dynamodb.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &d.URL, HTTPClient: d.client,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	for _, t := range tables {
		if err := ensureTable(ctx, client, t); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return nil
}

func ensureTable(ctx context.Context, client *dynamodb.Client, t template.Table) error {
	there, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.Name})
	if err == nil {
		if !sameKeys(there.Table.KeySchema, t.Keys) {
			return fmt.Errorf("its key has changed; run make clean to start without data")
		}
		return nil
	}
	if missing := new(types.ResourceNotFoundException); !errors.As(err, &missing) {
		return err
	}
	if _, err := client.CreateTable(ctx, createTable(t)); err != nil {
		return err
	}
	fast := func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 5*time.Millisecond, 50*time.Millisecond
	}
	return dynamodb.NewTableExistsWaiter(client, fast).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &t.Name}, 10*time.Second)
}

func sameKeys(there []types.KeySchemaElement, wanted []template.Key) bool {
	if len(there) != len(wanted) {
		return false
	}
	for i, k := range wanted {
		if *there[i].AttributeName != k.Name {
			return false
		}
	}
	return true
}

func createTable(t template.Table) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: &t.Name, BillingMode: types.BillingModePayPerRequest, KeySchema: schema(t.Keys)}
	kinds := map[string]string{}
	for _, k := range t.Keys {
		kinds[k.Name] = k.Type
	}
	for _, x := range t.Indexes {
		for _, k := range x.Keys {
			kinds[k.Name] = k.Type
		}
		projection := &types.Projection{ProjectionType: types.ProjectionType(x.Projection), NonKeyAttributes: x.NonKey}
		if x.Local {
			in.LocalSecondaryIndexes = append(in.LocalSecondaryIndexes, types.LocalSecondaryIndex{IndexName: &x.Name, KeySchema: schema(x.Keys), Projection: projection})
		} else {
			in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{IndexName: &x.Name, KeySchema: schema(x.Keys), Projection: projection})
		}
	}
	for name, kind := range kinds {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeType(kind)})
	}
	return in
}

func schema(keys []template.Key) []types.KeySchemaElement {
	kinds := []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}
	var list []types.KeySchemaElement
	for i, k := range keys {
		list = append(list, types.KeySchemaElement{AttributeName: &k.Name, KeyType: kinds[i]})
	}
	return list
}
