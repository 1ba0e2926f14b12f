// Package limits measures what it costs to count calls against limits, and whether a
// caller who floods the API delays others.
package limits

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/infra/local/template"
	"portico/shared/apikey"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/limit"
)

// Stack is the stack on which limits are measured.
type Stack struct {
	AWSURL, Region string
	Env            map[string]string // of a function
	Flood          time.Duration     // how long a flood lasts; it is half as long without one

	// NewKey makes an organization and returns its API key.
	NewKey func(ctx context.Context) (string, error)
	// Call sends a request with an API key; "": without one.
	Call     func(ctx context.Context, key, method, path string, body []byte) (int, []byte, error)
	Progress func(format string, args ...any)
}

// bed is what the measurements need.
type bed struct {
	Stack
	stage    limit.Policies // those that template.yaml has without parameters
	clock    *clock.Clock
	asked    counter
	client   *dynamodb.Client
	counters dynamo.Table
}

func newBed(s Stack) (*bed, error) {
	b := &bed{Stack: s, clock: &clock.Clock{}}
	b.asked.BuildableClient = awshttp.NewBuildableClient()
	b.client = dynamodb.NewFromConfig(aws.Config{
		Region: s.Region, BaseEndpoint: &s.AWSURL, HTTPClient: &b.asked, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	b.counters = dynamo.NewTable(b.client, s.Env["LIMIT_TABLE"], "id")
	var err error
	b.stage, err = stagePolicies()
	return b, err
}

// stagePolicies returns the policies of a deployment without parameters.
func stagePolicies() (limit.Policies, error) {
	deployed, err := template.Load("template.yaml", template.Options{Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		return nil, err
	}
	f, _ := deployed.Function("PublishFunction")
	limits := map[string]int64{}
	for pair := range strings.SplitSeq(f.Env["LIMITS"], ",") {
		name, number, _ := strings.Cut(pair, ":")
		if limits[name], err = strconv.ParseInt(number, 10, 64); err != nil {
			return nil, fmt.Errorf("LIMITS of template.yaml: %w", err)
		}
	}
	return limit.NewPolicies(limits)
}

// widePolicies are so wide that a busy caller has leased nearly all that it uses.
func widePolicies(stage limit.Policies) (list limit.Policies) {
	for _, p := range stage {
		list = append(list, p.With(limit.MaxLimit))
	}
	return list
}

// newKey returns the hash of the key of a new organization.
func (b *bed) newKey(ctx context.Context) (apikey.Hash, error) {
	plain, err := b.NewKey(ctx)
	if err != nil {
		return apikey.Hash{}, err
	}
	return apikey.Parse(plain)
}

// counter is an HTTP client of DynamoDB that counts calls.
type counter struct {
	*awshttp.BuildableClient
	writes, reads atomic.Int64
}

func (c *counter) Do(r *http.Request) (*http.Response, error) {
	var one calls
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	one.count(name, 1)
	c.writes.Add(one.writes)
	c.reads.Add(one.reads)
	return c.BuildableClient.Do(r)
}

// calls returns how many calls there were until now.
func (c *counter) calls() calls { return calls{c.writes.Load(), c.reads.Load()} }

// calls of DynamoDB. Only dynalite gets reads: it does not return the item with a
// refused write.
type calls struct{ writes, reads int64 }

func (c *calls) count(name string, n int64) {
	if name == "UpdateItem" {
		c.writes += n
	} else {
		c.reads += n
	}
}

func (c calls) since(before calls) calls {
	return calls{c.writes - before.writes, c.reads - before.reads}
}

func (c *calls) add(more calls) { c.writes, c.reads = c.writes+more.writes, c.reads+more.reads }

func (c calls) all() int64 { return c.writes + c.reads }

// environment counts calls like an environment of an API function.
type environment struct {
	keys          *apikey.Projection
	organizations *limit.Items
}

func (b *bed) environment(policies limit.Policies) environment {
	settings := limit.Settings{Policies: policies, Environments: 1}
	e := environment{
		keys:          apikey.NewProjection(b.client, b.Env["API_KEY_TABLE"], nil, b.clock), // no key is looked up in Postgres
		organizations: &limit.Items{Settings: settings.Of(limit.ByOrganization), Table: b.counters, Expires: true, Now: b.clock.Now},
	}
	e.keys.Limit(settings)
	return e
}

// once is what a cheap request uses.
var once = limit.Amounts{Requests: 1, Work: 1}

// take counts a request as the frame does: against the limits of its key and its
// organization.
func (e environment) take(ctx context.Context, hash apikey.Hash) (limit.Decision, error) {
	caller, d, err := e.keys.Caller(ctx, hash, apikey.Use{Amounts: once})
	if err != nil || !d.Allowed() {
		return d, err
	}
	more, _, err := e.organizations.Take(ctx, caller.Org.String(), once, false)
	if d = d.And(more); !more.Allowed() {
		e.keys.GiveBack(hash, once)
	}
	return d, err
}
