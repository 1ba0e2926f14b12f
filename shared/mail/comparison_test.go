package mail_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/jackc/pgx/v5"

	"portico/infra/local/aws/awstest"
	"portico/infra/local/template"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/mail"
	"portico/shared/mail/transport"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// comparer compares a database with the list of the local SES.
type comparer struct {
	*post
	ses *sesv2.Client
}

func newComparer(t *testing.T) *comparer {
	t.Helper()
	services, url := awstest.Server(t)
	services.SetSES(template.SES{})
	c := &comparer{newPost(t), sesv2.NewFromConfig(testkit.AWS(url))}
	c.use(transport.NewSuppressionList(testkit.AWS(url)))
	return c
}

// use makes the runners compare with a list.
func (c *comparer) use(list mail.List) {
	c.t.Helper()
	sender := newSender(c.t, c.App, c.box, c.service)
	sender.List = list
	registry, err := job.NewRegistry(sender.Kinds()...)
	testkit.Must(c.t, err)
	for _, r := range c.runners {
		r.Kinds = registry
	}
}

// compare does what the schedule does every night.
func (c *comparer) compare() {
	c.t.Helper()
	ctx := context.Background()
	testkit.Must(c.t, pgx.BeginFunc(ctx, c.Worker, func(tx pgx.Tx) error {
		_, err := job.AddEncoded(ctx, tx, id.Org{}, job.High, mail.CompareKind, []byte("{}"), job.Options{})
		return err
	}))
	for range 3 { // a job adds that of the next page, and those that remove addresses
		c.work()
	}
}

// put enters an address at SES.
func (c *comparer) put(address string, reason types.SuppressionListReason) {
	c.t.Helper()
	_, err := c.ses.PutSuppressedDestination(context.Background(), &sesv2.PutSuppressedDestinationInput{EmailAddress: &address, Reason: reason})
	testkit.Must(c.t, err)
}

// here are the entries of the database.
func (c *comparer) here() string {
	return testkit.Value[string](c.t, c.Database, `SELECT coalesce(string_agg(recipient || ' ' || reason, ', ' ORDER BY recipient, reason), '') FROM mail_suppression`)
}

// there are the addresses that SES has.
func (c *comparer) there() string {
	c.t.Helper()
	out, err := c.ses.ListSuppressedDestinations(context.Background(), &sesv2.ListSuppressedDestinationsInput{})
	testkit.Must(c.t, err)
	var all []string
	for _, one := range out.SuppressedDestinationSummaries {
		all = append(all, *one.EmailAddress)
	}
	return strings.Join(all, ", ")
}

// What only SES has is entered; what was removed here since is removed there, unless it
// bounced again or another entry keeps it.
func TestCompare(t *testing.T) {
	t.Parallel()
	c := newComparer(t)
	// SES's time is this machine's, so what is removed now was removed after put.
	c.put("Ada@xn--mnchen-3ya.example", types.SuppressionListReasonBounce)
	c.put("bob@example.com", types.SuppressionListReasonComplaint)
	c.put("carol@example.com", types.SuppressionListReasonBounce)
	c.compare()
	if got := c.here(); got != "ada@xn--mnchen-3ya.example bounce, bob@example.com complaint, carol@example.com bounce" {
		t.Fatal(got)
	}
	// Staff remove two of them, but SES does not hear of it; bob also bounced.
	testkit.Must(t, mail.Suppress(context.Background(), c.App, mail.Suppression{Recipient: "bob@example.com", Reason: mail.Bounce}))
	for _, entry := range []string{"ada@xn--mnchen-3ya.example bounce", "bob@example.com complaint"} {
		testkit.Must(t, c.App.PlatformIn(context.Background(), pg.Home, func(tx pg.Tx) error {
			return pg.Exec(context.Background(), tx, "test", `SELECT unsuppress_mail(md5(reason || ' ' || recipient)::uuid) FROM list_mail_suppressions(NULL, NULL, '', '', '', 10) WHERE recipient || ' ' || reason = $1`, entry)
		}))
	}
	c.Exec(t, `UPDATE mail_suppression_lifted SET lifted_at = now() + interval '1 second'`)
	c.put("dave@example.com", types.SuppressionListReasonBounce)
	c.compare()
	if got := c.here(); got != "bob@example.com bounce, carol@example.com bounce, dave@example.com bounce" {
		t.Error(got)
	}
	if got := c.there(); got != "bob@example.com, carol@example.com, dave@example.com" {
		t.Errorf("SES has %s", got)
	}
	// An address that bounces after it was removed is entered again.
	c.Exec(t, `UPDATE mail_suppression_lifted SET lifted_at = now() - interval '1 minute'`)
	c.put("ada@xn--mnchen-3ya.example", types.SuppressionListReasonBounce)
	c.compare()
	if got := c.here(); !strings.HasPrefix(got, "ada@xn--mnchen-3ya.example bounce, ") {
		t.Error(got)
	}
}

// A list of several pages is read to its end, and SES may be away for a moment.
func TestCompareByPages(t *testing.T) {
	t.Parallel()
	c := newComparer(t)
	for i := range 1001 {
		c.put(fmt.Sprintf("%d@example.com", i), types.SuppressionListReasonBounce)
	}
	c.compare()
	if n := testkit.Value[int](t, c.Database, `SELECT count(*) FROM mail_suppression`); n != 1001 {
		t.Errorf("%d addresses are entered", n)
	}
	if n := testkit.Value[int](t, c.Database, `SELECT count(*) FROM job_log WHERE kind = $1`, mail.CompareKind); n != 2 {
		t.Errorf("%d pages were read", n)
	}
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(away.Close)
	c.Exec(t, `DELETE FROM mail_suppression`)
	c.use(transport.NewSuppressionList(testkit.AWS(away.URL)))
	c.compare()
	if n := testkit.Value[int](t, c.Database, `SELECT count(*) FROM job WHERE kind = $1`, mail.CompareKind); n != 1 {
		t.Errorf("%d jobs wait for SES", n)
	}
	c.use(nil) // a service without a list
	c.workFor(2 * time.Minute)
	if got := c.here() + testkit.Value[string](t, c.Database, `SELECT count(*)::text FROM job WHERE kind = $1`, mail.CompareKind); got != "0" {
		t.Error(got)
	}
}
