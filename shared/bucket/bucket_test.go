package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/shared/bucket"
	"portico/shared/testkit"
)

// endpoints returns every S3 to test against, by name: the local stack's, and moto's
// where moto runs.
func endpoints(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"local": testkit.S3Endpoint(t)}
	if moto := os.Getenv("PORTICO_TEST_MOTO_URL"); moto != "" {
		all["moto"] = moto
	}
	return all
}

// each runs a test with a new bucket of each S3.
func each(t *testing.T, test func(t *testing.T, b *bucket.Bucket)) {
	t.Parallel()
	for name, endpoint := range endpoints(t) {
		t.Run(name, func(t *testing.T) {
			_, made := testkit.S3(t, endpoint)
			test(t, bucket.New(testkit.AWS(endpoint), made))
		})
	}
}

// An object is read as it was written, with what is stored beside it.
func TestPutAndGet(t *testing.T) {
	each(t, func(t *testing.T, b *bucket.Bucket) {
		ctx := context.Background()
		key, body := "org_1/a b+ü/1.ndjson.gz", []byte(strings.Repeat("\x00\xff{}\n", 100_000))
		want := bucket.Object{ContentType: "application/x-ndjson", Encoding: "gzip", Metadata: map[string]string{"first": "1"}}
		testkit.Must(t, b.Put(ctx, key, strings.NewReader("before"), want))
		testkit.Must(t, b.Put(ctx, key, bytes.NewReader(body), want))
		got, err := b.Get(ctx, key, int64(len(body)))
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		size, object, err := b.Head(ctx, key)
		if err != nil || size != int64(len(body)) {
			t.Errorf("size %d, %v", size, err)
		}
		if d := cmp.Diff(want, object); d != "" {
			t.Error(d)
		}
		if _, err := b.Get(ctx, key, int64(len(body))-1); !errors.Is(err, bucket.ErrTooLarge) {
			t.Errorf("an object that is too large: %v", err)
		}
	})
}

// What is not there is not an error of S3.
func TestAbsent(t *testing.T) {
	each(t, func(t *testing.T, b *bucket.Bucket) {
		if _, err := b.Get(context.Background(), "a", 1); !errors.Is(err, bucket.ErrAbsent) {
			t.Error(err)
		}
		if _, _, err := b.Head(context.Background(), "a"); !errors.Is(err, bucket.ErrAbsent) {
			t.Error(err)
		}
	})
}

// Of many that write a new object at a time one succeeds, and the others leave what it
// has written. Not tried with moto, whose conditional writes are not atomic.
func TestPutNew(t *testing.T) {
	t.Parallel()
	b := testkit.Bucket(t)
	var made atomic.Int32
	var winner atomic.Value
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			body := string(rune('a' + i))
			switch err := b.PutNew(context.Background(), "k", []byte(body), bucket.Object{}); {
			case err == nil:
				made.Add(1)
				winner.Store(body)
			case !errors.Is(err, bucket.ErrExists):
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := b.Get(context.Background(), "k", 10)
	if err != nil || made.Load() != 1 || string(got) != winner.Load() {
		t.Errorf("%d were made; %q, %v", made.Load(), got, err)
	}
}

// A link downloads the object without credentials, is signed and ends after ten
// minutes. S3 at AWS refuses it then; the local one does not check.
func TestLink(t *testing.T) {
	each(t, func(t *testing.T, b *bucket.Bucket) {
		testkit.Must(t, b.Put(context.Background(), "org/x.csv", strings.NewReader("a,b\n"), bucket.Object{ContentType: "text/csv"}))
		link, err := b.Link(context.Background(), "org/x.csv", `audit "log".csv`)
		testkit.Must(t, err)
		reply, err := http.Get(link)
		testkit.Must(t, err)
		defer reply.Body.Close()
		if got, err := io.ReadAll(reply.Body); err != nil || reply.StatusCode != http.StatusOK || string(got) != "a,b\n" {
			t.Errorf("%s: %q, %v", reply.Status, got, err)
		}
		u, err := url.Parse(link)
		testkit.Must(t, err)
		q := u.Query()
		if q.Get("X-Amz-Expires") != "600" || q.Get("X-Amz-Signature") == "" || q.Get("response-content-disposition") != `attachment; filename="audit \"log\".csv"` {
			t.Errorf("%v", q)
		}
	})
}

// An S3 that refuses or does not answer is an error, not an absent object.
func TestS3IsAway(t *testing.T) {
	t.Parallel()
	_, name := testkit.S3(t, testkit.S3Endpoint(t))
	for _, status := range []int{http.StatusForbidden, http.StatusServiceUnavailable} {
		b := testkit.BucketThrough(t, name, func(*http.Request) int { return status })
		_, get := b.Get(context.Background(), "k", 1)
		put := b.PutNew(context.Background(), "k", nil, bucket.Object{})
		_, _, head := b.Head(context.Background(), "k")
		for _, err := range []error{get, put, head, b.Put(context.Background(), "k", strings.NewReader(""), bucket.Object{})} {
			if err == nil || errors.Is(err, bucket.ErrAbsent) || errors.Is(err, bucket.ErrExists) {
				t.Errorf("%d: %v", status, err)
			}
		}
	}
}
