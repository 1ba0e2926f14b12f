package session_test

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/session"
	"portico/shared/testkit"
)

const (
	host = "console.example.com"
	idle = 2 * time.Hour
	life = 12 * time.Hour
)

// bed is a table Identity with a clock for all stores that use it.
type bed struct {
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
		t.Run(name, func(t *testing.T) { test(t, newBed(t, endpoint)) })
	}
}

func newBed(t testing.TB, endpoint string) *bed {
	client, table := testkit.SortedTable(t, endpoint)
	return &bed{clock.New(0), endpoint, client, table, id.New[id.User](time.Now())}
}

// store returns a store as a new process has it.
func (b *bed) store() *session.Store { return b.over(b.client) }

func (b *bed) over(client *dynamodb.Client) *session.Store {
	return session.NewStore(dynamo.NewSorted(client, b.table, "pk", "sk"), idle, b.clock)
}

// counted returns a store and the calls that it has made since calls was last asked.
func (b *bed) counted(t testing.TB) (store *session.Store, calls func() []string) {
	var mu sync.Mutex
	var made []string
	client := testkit.DynamoDBThrough(t, b.endpoint, func(call, _ string) bool {
		mu.Lock()
		defer mu.Unlock()
		made = append(made, call)
		return false
	})
	return b.over(client), func() []string {
		mu.Lock()
		defer mu.Unlock()
		list := made
		made = nil
		return list
	}
}

func (b *bed) begun() session.Session {
	return session.Session{User: b.user, Host: host, Factors: []string{"password"}, Device: "Firefox on Linux", IP: "203.0.113.7"}
}

// start starts a session of the bed's user.
func (b *bed) start(t testing.TB, store *session.Store) (session.Session, session.Cookie) {
	t.Helper()
	s, c, err := store.Start(t.Context(), b.begun(), life)
	testkit.Must(t, err)
	return s, c
}

// state is what a browser with the cookie finds: "live", "none", or why it ended.
func state(t testing.TB, store *session.Store, c session.Cookie) string {
	t.Helper()
	_, err := store.Get(t.Context(), c, host)
	return stateOf(t, err)
}

// dump returns every item of the table as a text.
func (b *bed) dump(t testing.TB) (items []string) {
	t.Helper()
	out, err := b.client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &b.table, ConsistentRead: aws.Bool(true)})
	testkit.Must(t, err)
	for _, item := range out.Items {
		text, err := json.Marshal(item)
		testkit.Must(t, err)
		items = append(items, string(text))
	}
	return items
}
