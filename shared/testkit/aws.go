package testkit

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"portico/shared/secret"
)

// AWS returns a configuration for a server at endpoint, with credentials that
// are valid nowhere.
func AWS(endpoint string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
}

// once returns the same for clients that make no second try.
func once(endpoint string) aws.Config {
	cfg := AWS(endpoint)
	cfg.RetryMaxAttempts = 1
	return cfg
}

// DynamoDBEndpoint returns where the tests' DynamoDB listens.
func DynamoDBEndpoint(t testing.TB) string {
	t.Helper()
	endpoint := os.Getenv("PORTICO_TEST_DYNAMODB_URL")
	if endpoint == "" {
		t.Fatal("PORTICO_TEST_DYNAMODB_URL is not set: run the tests with `make test`, which starts Postgres and DynamoDB")
	}
	return endpoint
}

// Table returns a client and the name of a new table whose key is a string.
func Table(t testing.TB, endpoint, key string) (*dynamodb.Client, string) {
	t.Helper()
	return table(t, endpoint, key)
}

// SortedTable returns a client and the name of a new table with the keys of the table
// Identity: `pk` and, within a partition, `sk`.
func SortedTable(t testing.TB, endpoint string) (*dynamodb.Client, string) {
	t.Helper()
	return table(t, endpoint, "pk", "sk")
}

func table(t testing.TB, endpoint string, keys ...string) (*dynamodb.Client, string) {
	t.Helper()
	ctx := context.Background()
	client := dynamodb.NewFromConfig(AWS(endpoint))
	name := "t_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	for i, key := range keys {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: &key, AttributeType: types.ScalarAttributeTypeS})
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: &key, KeyType: []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i]})
	}
	_, err := client.CreateTable(ctx, in)
	if err != nil {
		t.Fatalf("CreateTable at %s: %v", endpoint, err)
	}
	if err := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10e6, 50e6
	}).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &name}, 10e9); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name}) })
	return client, name
}

// Box returns a box with a key that is only for tests.
func Box(t testing.TB) *secret.Box {
	t.Helper()
	box, err := secret.Parse([]byte(`{"current":"1","1":"` + strings.Repeat("test only ", 5) + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// DynamoDBEndpoints returns every server that a store test runs against, by
// name: dynalite, and moto if PORTICO_TEST_MOTO_URL is set to its address.
func DynamoDBEndpoints(t testing.TB) map[string]string {
	t.Helper()
	endpoints := map[string]string{"dynalite": DynamoDBEndpoint(t)}
	if moto := os.Getenv("PORTICO_TEST_MOTO_URL"); moto != "" {
		endpoints["moto"] = moto
	}
	return endpoints
}

// DynamoDBThrough returns a client of the DynamoDB at endpoint, through a proxy. Each
// call is first shown to fails, by its name, such as PutItem, and its body. If fails
// returns true, the call does not reach DynamoDB, and the client does not repeat it.
func DynamoDBThrough(t testing.TB, endpoint string, fails func(call, body string) bool) *dynamodb.Client {
	t.Helper()
	to, err := url.Parse(endpoint)
	Must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if err != nil || fails(call, string(body)) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return dynamodb.NewFromConfig(once(server.URL))
}
