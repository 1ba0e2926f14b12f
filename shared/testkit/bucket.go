package testkit

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"

	"portico/shared/bucket"
)

// S3Endpoint returns where the tests' S3 listens.
func S3Endpoint(t testing.TB) string {
	t.Helper()
	endpoint := os.Getenv("PORTICO_TEST_S3_URL")
	if endpoint == "" {
		t.Fatal("PORTICO_TEST_S3_URL is not set: run the tests with `make test`, which starts S3")
	}
	return endpoint
}

// S3 returns a client of the S3 at endpoint, and the name of a new bucket. The client
// makes no second try. options change how the bucket is made.
func S3(t testing.TB, endpoint string, options ...func(*s3.CreateBucketInput)) (client *s3.Client, name string) {
	t.Helper()
	client, name = s3.NewFromConfig(once(endpoint), func(o *s3.Options) { o.UsePathStyle = true }), "b-"+uuid.NewString()
	in := &s3.CreateBucketInput{Bucket: &name}
	for _, option := range options {
		option(in)
	}
	_, err := client.CreateBucket(context.Background(), in)
	Must(t, err)
	return client, name
}

// Bucket returns a new bucket of the tests' S3.
func Bucket(t testing.TB) *bucket.Bucket {
	t.Helper()
	_, name := S3(t, S3Endpoint(t))
	return bucket.New(AWS(S3Endpoint(t)), name)
}

// BucketThrough returns a bucket of the tests' S3 behind a proxy. Each request is first
// shown to answer. If it returns a status, that is the reply and the request does not
// reach S3; 0 passes it on. The bucket does not repeat requests.
func BucketThrough(t testing.TB, name string, answer func(r *http.Request) (status int)) *bucket.Bucket {
	t.Helper()
	to, err := url.Parse(S3Endpoint(t))
	Must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := answer(r); status != 0 {
			w.WriteHeader(status)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return bucket.New(once(server.URL), name)
}
