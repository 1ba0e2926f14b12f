// Package identity measures what it costs to sign in, to have a session, and to refresh the
// tokens of an app.
package identity

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/infra/bench/cost"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/secret"
)

// Stack is the stack on which people sign in.
type Stack struct {
	URL            string // by address
	AWSURL, Region string
	Env            map[string]string // of a function
	Meter          *cost.Meter
	Short          bool
	Out            io.Writer
	Progress       func(format string, args ...any)
}

// bed is what the measurements need.
type bed struct {
	Stack
	site  string // where the pages are: passkeys and cookies need a name
	clock *clock.Clock
	box   *secret.Box // seals what only bench reads
	table dynamo.Sorted
	calls atomic.Int64 // of DynamoDB, by this process
	next  atomic.Uint32
}

func newBed(s Stack) (*bed, error) {
	box, err := secret.Parse([]byte(`{"current":"1","1":"` + strings.Repeat("only bench ", 5) + `"}`))
	if err != nil {
		return nil, err
	}
	b := &bed{Stack: s, site: strings.Replace(s.URL, "127.0.0.1", "localhost", 1), clock: &clock.Clock{}, box: box}
	client := dynamodb.NewFromConfig(aws.Config{
		Region: s.Region, BaseEndpoint: &s.AWSURL, HTTPClient: &counter{awshttp.NewBuildableClient(), &b.calls},
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	b.table = dynamo.NewSorted(client, s.Env["IDENTITY_TABLE"], "pk", "sk")
	return b, nil
}

// counter is an HTTP client of DynamoDB that counts calls.
type counter struct {
	*awshttp.BuildableClient
	calls *atomic.Int64
}

func (c *counter) Do(r *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	return c.BuildableClient.Do(r)
}

// Run measures, and prints each result when there is one.
func Run(ctx context.Context, s Stack) error {
	b, err := newBed(s)
	if err != nil {
		return err
	}
	for _, measure := range []func(context.Context) error{b.starts, b.sessions, b.refreshes, b.signIns, b.addresses, b.zips} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *bed) print(format string, args ...any) { _, _ = fmt.Fprintf(b.Out, format+"\n", args...) }

// of is a number of repetitions.
func (b *bed) of(n int) int {
	if b.Short {
		return n / 10
	}
	return n
}

// percentile returns the p-th percentile in milliseconds.
func percentile(d []time.Duration, p int) float64 {
	sorted := slices.Sorted(slices.Values(d))
	return float64(sorted[(len(sorted)-1)*p/100].Microseconds()) / 1000
}
