package aws_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"portico/infra/local/aws"
)

// clock is a time that tests move.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

type fixture struct {
	*aws.Server
	clock  *clock
	config sdk.Config
}

// serve starts a server and returns the configuration with which the real SDK
// reaches it.
func serve(t *testing.T, opts aws.Options) fixture {
	t.Helper()
	c := &clock{}
	opts.Now = c.now
	var handler http.Handler
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(listener.Close)
	opts.Endpoint = listener.URL
	if opts.SecretFile == "" {
		opts.SecretFile = filepath.Join(t.TempDir(), "secrets.json")
	}
	server, err := aws.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	handler = server
	return fixture{server, c, sdk.Config{
		Region: "us-east-1", BaseEndpoint: sdk.String(listener.URL),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		Retryer:     func() sdk.Retryer { return sdk.NopRetryer{} },
	}}
}

func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return c
}
