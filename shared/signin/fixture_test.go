package signin_test

import (
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/secret"
	"portico/shared/signin"
	"portico/shared/testkit"
)

const host = "console.example.com"

// bed is a table Identity.
type bed struct {
	*signin.Store
	t        *testing.T
	clock    *clock.Clock
	endpoint string
	client   *dynamodb.Client
	table    string
	user     id.User
}

// onEach runs a test against each server that tests know.
func onEach(t *testing.T, test func(t *testing.T, b *bed)) {
	t.Parallel()
	for name, endpoint := range testkit.DynamoDBEndpoints(t) {
		t.Run(name, func(t *testing.T) { test(t, newBed(t, endpoint, clock.New(0))) })
	}
}

func newBed(t *testing.T, endpoint string, clock *clock.Clock) *bed {
	client, table := testkit.SortedTable(t, endpoint)
	b := &bed{t: t, clock: clock, endpoint: endpoint, client: client, table: table, user: id.New[id.User](time.Now())}
	b.Store = b.over(client)
	return b
}

func (b *bed) over(client *dynamodb.Client) *signin.Store {
	return signin.NewStore(dynamo.NewSorted(client, b.table, "pk", "sk"), testkit.Box(b.t), b.clock)
}

// begin begins an attempt with an address.
func (b *bed) begin() (signin.Flow, secret.Token) {
	b.t.Helper()
	f, token, err := b.Begin(b.t.Context(), signin.Flow{Host: host, To: "/webhooks", Email: "ann@example.com", User: b.user})
	testkit.Must(b.t, err)
	return f, token
}

func (b *bed) proof(m signin.Method) signin.Proof {
	return signin.Proof{User: b.user, Version: 3, Method: m}
}

// proved returns an attempt in which a factor is proved.
func (b *bed) proved(m signin.Method) signin.Flow {
	b.t.Helper()
	f, _ := b.begin()
	f, err := b.Prove(b.t.Context(), f, b.proof(m))
	testkit.Must(b.t, err)
	return f
}

// hides fails the test if the table has one of the texts.
func (b *bed) hides(texts ...string) {
	b.t.Helper()
	out, err := b.client.Scan(b.t.Context(), &dynamodb.ScanInput{TableName: &b.table, ConsistentRead: aws.Bool(true)})
	testkit.Must(b.t, err)
	stored, err := json.Marshal(out.Items)
	testkit.Must(b.t, err)
	if len(out.Items) == 0 {
		b.t.Error("the table is empty")
	}
	for _, text := range texts {
		if strings.Contains(string(stored), text) {
			b.t.Errorf("the table has %s: %s", text, stored)
		}
	}
}

// winners does something in many requests at once, and returns how many succeed.
func winners(requests int, do func() error) int {
	var wins atomic.Int32
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			if do() == nil {
				wins.Add(1)
			}
		})
	}
	all.Wait()
	return int(wins.Load())
}
