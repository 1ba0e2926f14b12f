// Package e2e drives the whole product as its users do: over HTTP, through the
// local gateway, into the binaries that are deployed.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/jackc/pgx/v5"

	"portico/infra/local/stack"
	"portico/infra/local/stacktest"
	"portico/infra/local/template"
	"portico/shared/secret"
	"portico/shared/testkit"
)

// shared is a stack for tests that do not damage it; envFile has its functions'
// environment.
var (
	shared  stacktest.Stack
	envFile string
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "portico-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	envFile = filepath.Join(dir, "env.json")
	opts := options()
	opts.EnvFile = envFile
	code := stacktest.Main(m, opts, func(s stacktest.Stack) { shared = s })
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func options() stack.Options {
	opts := stacktest.Options("../../..")
	opts.MaxConcurrency = 16
	// Shorter than the default, so that tests of falling asleep are short.
	opts.Env = map[string]map[string]string{"DispatcherFunction": {"DISPATCHER_IDLE": "1s"}, "ResendFunction": {"MAIL_SECRET": mailSecret}}
	opts.Secrets = []template.Secret{{Name: mailSecret, ARN: mailSecret, Value: `{"resend":{"api_key":"re_1","webhook_secret":"` + resendSecret + `"}}`}}
	return opts
}

// own starts a stack that the test may damage.
func own(t *testing.T) stacktest.Stack {
	t.Helper()
	return stacktest.New(t, options())
}

// customer has webhook endpoints and publishes.
type customer struct {
	stacktest.Customer
	t *testing.T
}

func newCustomer(t *testing.T, s stacktest.Stack) customer {
	t.Helper()
	return customer{stacktest.NewCustomer(t, s), t}
}

// endpoint subscribes a URL to everything and returns id and secret.
func (c customer) endpoint(url string) (id, secret string) {
	c.t.Helper()
	var made struct{ ID, Secret string }
	c.Do("POST", "/v1/webhook-endpoints", `{"url":"`+url+`","event_types":["*"]}`, http.StatusCreated, &made)
	return made.ID, made.Secret
}

func (c customer) publish(data string) (event string) {
	c.t.Helper()
	var made struct{ ID string }
	c.Do("POST", "/v1/events", `{"type":"invoice.paid","data":`+data+`}`, http.StatusAccepted, &made)
	return made.ID
}

// publishBatch publishes n events at once.
func (c customer) publishBatch(n int) {
	c.t.Helper()
	var events bytes.Buffer
	for i := range n {
		fmt.Fprintf(&events, `{"type":"invoice.paid","data":%d},`, i)
	}
	c.Do("POST", "/v1/events/batch", `{"events":[`+string(bytes.TrimSuffix(events.Bytes(), []byte(",")))+`]}`, http.StatusAccepted, nil)
}

type attempt struct {
	Number       int
	StatusCode   *int    `json:"status_code"`
	Error        *string `json:"error"`
	ResponseBody string  `json:"response_body"`
}

type delivery struct {
	ID, Status   string
	EventID      string `json:"event_id"`
	AttemptCount int    `json:"attempt_count"`
	Attempts     []attempt
}

// deliveries returns an endpoint's deliveries, with their attempts.
func (c customer) deliveries(endpoint string) []delivery {
	c.t.Helper()
	var list struct{ Data []delivery }
	c.Do("GET", "/v1/deliveries?limit=100&endpoint_id="+endpoint, "", http.StatusOK, &list)
	for i, d := range list.Data {
		c.Do("GET", "/v1/deliveries/"+d.ID, "", http.StatusOK, &list.Data[i])
	}
	return list.Data
}

// receiver is a customer's server that gets deliveries.
type receiver struct{ *testkit.Receiver }

func newReceiver(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) receiver {
	t.Helper()
	return receiver{testkit.NewReceiver(t, answer)}
}

// count returns how often an event arrived; "": how many requests there were.
func (rec receiver) count(event string) int {
	if event == "" {
		return len(rec.All())
	}
	return rec.events()[event]
}

// events returns how often each event arrived.
func (rec receiver) events() map[string]int {
	counts := map[string]int{}
	for _, r := range rec.All() {
		counts[r.Header.Get("Webhook-Id")]++
	}
	return counts
}

// count asks the stack's Postgres, as an administrator.
func count(t *testing.T, s stacktest.Stack, sql string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(context.Background(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func jsonField(t *testing.T, text, name string) string {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Errorf("%v in %s", err, text)
		return ""
	}
	value, _ := object[name].(string)
	return value
}

// sealingBox seals and opens as the stack's functions do.
func sealingBox(t *testing.T, s stacktest.Stack) *secret.Box {
	t.Helper()
	client := secretsmanager.NewFromConfig(sdk.Config{
		Region: stack.Region, BaseEndpoint: &s.AWSURL, Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	})
	var arn string
	for _, one := range s.Template.Secrets {
		if strings.HasSuffix(one.LogicalID, "SealingSecret") {
			arn = one.ARN
		}
	}
	value, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn})
	testkit.Must(t, err)
	box, err := secret.Parse([]byte(*value.SecretString))
	testkit.Must(t, err)
	return box
}
