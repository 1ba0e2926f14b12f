package aws_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"portico/infra/local/aws"
	"portico/shared/bucket"
	"portico/shared/testkit"
)

// Objects of a bucket stay when the stack ends, and what is no bucket is no S3.
func TestObjectsStay(t *testing.T) {
	dir := t.TempDir()
	serve := func() *httptest.Server {
		server := httptest.NewServer(nil)
		t.Cleanup(server.Close)
		services, err := aws.NewServer(aws.Options{Endpoint: server.URL, ObjectDir: dir})
		testkit.Must(t, err)
		testkit.Must(t, services.AddBucket("portico-data-archive"))
		server.Config.Handler = services
		return server
	}
	ctx := context.Background()
	b := bucket.New(testkit.AWS(serve().URL), "portico-data-archive")
	testkit.Must(t, b.PutNew(ctx, "org_1/1", []byte("x"), bucket.Object{}))
	later := serve().URL
	b = bucket.New(testkit.AWS(later), "portico-data-archive")
	if got, err := b.Get(ctx, "org_1/1", 9); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
	if err := b.PutNew(ctx, "org_1/1", []byte("y"), bucket.Object{}); !errors.Is(err, bucket.ErrExists) {
		t.Errorf("written twice: %v", err)
	}
	if err := bucket.New(testkit.AWS(later), "another").PutNew(ctx, "k", nil, bucket.Object{}); err == nil || errors.Is(err, bucket.ErrExists) {
		t.Errorf("a bucket that is not there: %v", err)
	}
}
