package aws_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"portico/infra/local/aws"
)

// queueFixture is a queue and the real SDK's client for it.
type queueFixture struct {
	fixture
	t      *testing.T
	client *sqs.Client
	url    *string
}

func newQueue(t *testing.T, attributes map[string]string) queueFixture {
	t.Helper()
	f := serve(t, aws.Options{})
	client := sqs.NewFromConfig(f.config)
	for name, attrs := range map[string]map[string]string{"dead": nil, "work": attributes} {
		if _, err := client.CreateQueue(ctx(t), &sqs.CreateQueueInput{QueueName: &name, Attributes: attrs}); err != nil {
			t.Fatal(err)
		}
	}
	return queueFixture{f, t, client, sdk.String(f.QueueURL("work"))}
}

func (q queueFixture) send(body string) {
	q.t.Helper()
	if _, err := q.client.SendMessage(ctx(q.t), &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: &body}); err != nil {
		q.t.Fatal(err)
	}
}

func (q queueFixture) receive(in sqs.ReceiveMessageInput) []types.Message {
	q.t.Helper()
	if in.QueueUrl == nil {
		in.QueueUrl = q.url
	}
	if in.MaxNumberOfMessages == 0 {
		in.MaxNumberOfMessages = 10
	}
	out, err := q.client.ReceiveMessage(ctx(q.t), &in)
	if err != nil {
		q.t.Fatal(err)
	}
	return out.Messages
}

func (q queueFixture) attributes(names ...types.QueueAttributeName) map[string]string {
	q.t.Helper()
	out, err := q.client.GetQueueAttributes(ctx(q.t), &sqs.GetQueueAttributesInput{QueueUrl: q.url, AttributeNames: names})
	if err != nil {
		q.t.Fatal(err)
	}
	return out.Attributes
}

func bodies(messages []types.Message) []string {
	list := []string{}
	for _, m := range messages {
		list = append(list, *m.Body)
	}
	return list
}

func (q queueFixture) expect(what string, want ...string) []types.Message {
	q.t.Helper()
	got := q.receive(sqs.ReceiveMessageInput{})
	if d := cmp.Diff(append([]string{}, want...), bodies(got)); d != "" {
		q.t.Errorf("%s: %s", what, d)
	}
	return got
}

func TestVisibilityTimeout(t *testing.T) {
	q := newQueue(t, map[string]string{"VisibilityTimeout": "30"})
	q.send("a")
	q.send("b")
	first := q.expect("both", "a", "b")
	q.expect("both are hidden")
	q.clock.advance(29 * time.Second)
	q.expect("still hidden")
	if _, err := q.client.DeleteMessage(ctx(t), &sqs.DeleteMessageInput{QueueUrl: q.url, ReceiptHandle: first[0].ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	q.clock.advance(2 * time.Second)
	q.expect("the one not deleted is back", "b")
}

func TestChangeVisibility(t *testing.T) {
	q := newQueue(t, nil)
	q.send("a")
	m := q.expect("first", "a")[0]
	change := func(seconds int32) error {
		_, err := q.client.ChangeMessageVisibility(ctx(t), &sqs.ChangeMessageVisibilityInput{QueueUrl: q.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
		return err
	}
	if err := change(100); err != nil {
		t.Fatal(err)
	}
	q.clock.advance(60 * time.Second)
	q.expect("prolonged")
	if err := change(0); err != nil {
		t.Fatal(err)
	}
	var notInFlight *types.MessageNotInflight
	if err := change(10); !errors.As(err, &notInFlight) {
		t.Errorf("got %v, want MessageNotInflight", err)
	}
	q.expect("given back", "a")
}

// A receive with visibility 0 gives each message once, and it stays visible.
func TestReceiveWithoutHiding(t *testing.T) {
	q := newQueue(t, map[string]string{"VisibilityTimeout": "0"})
	q.send("a")
	q.expect("once", "a")
	q.expect("again", "a")
}

func TestDelay(t *testing.T) {
	q := newQueue(t, map[string]string{"DelaySeconds": "10"})
	q.send("queue's delay")
	if _, err := q.client.SendMessage(ctx(t), &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: sdk.String("own delay"), DelaySeconds: 20}); err != nil {
		t.Fatal(err)
	}
	q.expect("both delayed")
	if a := q.attributes(types.QueueAttributeNameAll); a["ApproximateNumberOfMessagesDelayed"] != "2" {
		t.Errorf("got %v", a)
	}
	q.clock.advance(10 * time.Second)
	q.expect("the first", "queue's delay")
	q.clock.advance(10 * time.Second)
	q.expect("the second", "own delay")
}

func TestRetention(t *testing.T) {
	q := newQueue(t, map[string]string{"MessageRetentionPeriod": "120"})
	q.send("a")
	q.clock.advance(120 * time.Second)
	if a := q.attributes(types.QueueAttributeNameApproximateNumberOfMessages); a["ApproximateNumberOfMessages"] != "0" {
		t.Errorf("got %v", a)
	}
	q.expect("expired")
}

func TestRedrive(t *testing.T) {
	q := newQueue(t, map[string]string{
		"VisibilityTimeout": "1",
		"RedrivePolicy":     `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":"2"}`,
	})
	q.send("poison")
	id := ""
	for i := range 2 {
		got := q.receive(sqs.ReceiveMessageInput{MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
		if len(got) != 1 || got[0].Attributes["ApproximateReceiveCount"] != fmt.Sprint(i+1) {
			t.Fatalf("receive %d: %+v", i+1, got)
		}
		id = *got[0].MessageId
		q.clock.advance(time.Second)
	}
	q.expect("gone to the dead letters")
	dead := q.receive(sqs.ReceiveMessageInput{QueueUrl: sdk.String(q.QueueURL("dead"))})
	if len(dead) != 1 || *dead[0].MessageId != id || *dead[0].Body != "poison" {
		t.Errorf("got %+v", dead)
	}
}

// A long poll returns when a message becomes visible, and empty when the time
// is over.
func TestLongPoll(t *testing.T) {
	q := newQueue(t, map[string]string{"VisibilityTimeout": "1"})
	q.send("a")
	q.expect("first", "a")
	start := time.Now()
	if list := q.receive(sqs.ReceiveMessageInput{WaitTimeSeconds: 20}); len(list) != 1 || time.Since(start) > 5*time.Second {
		t.Errorf("got %v after %v, want the message after its visibility timeout", list, time.Since(start))
	}
	if _, err := q.client.PurgeQueue(ctx(t), &sqs.PurgeQueueInput{QueueUrl: q.url}); err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	if list := q.receive(sqs.ReceiveMessageInput{WaitTimeSeconds: 1}); len(list) != 0 || time.Since(start) < time.Second {
		t.Errorf("got %v after %v, want nothing after a second", list, time.Since(start))
	}
}

// A long poll that waits is woken by a message: at once, not at its end.
func TestSendWakesLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := aws.NewServer(aws.Options{})
		if err != nil {
			t.Fatal(err)
		}
		q := server.AddQueue("q", aws.DefaultQueueAttributes())
		start := time.Now()
		got := make(chan int)
		go func() { got <- len(q.Receive(t.Context(), 10, -1, 20*time.Second)) }()
		synctest.Wait()
		q.Send("a", nil, -1)
		if n, waited := <-got, time.Since(start); n != 1 || waited != 0 {
			t.Errorf("got %d messages after %v", n, waited)
		}
	})
}

// The SDK checks the digests of bodies; that of the attributes is compared with
// one computed apart, as SQS documents it.
func TestMessageAttributes(t *testing.T) {
	q := newQueue(t, nil)
	attributes := map[string]types.MessageAttributeValue{
		"kind": {DataType: sdk.String("String"), StringValue: sdk.String("nudge")},
		"n":    {DataType: sdk.String("Number.int"), StringValue: sdk.String("7")},
		"raw":  {DataType: sdk.String("Binary"), BinaryValue: []byte{0, 255}},
	}
	sent, err := q.client.SendMessage(ctx(t), &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: sdk.String("ä"), MessageAttributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	got := q.receive(sqs.ReceiveMessageInput{MessageAttributeNames: []string{"All"}, VisibilityTimeout: 1})
	if d := cmp.Diff(attributes, got[0].MessageAttributes, cmp.AllowUnexported(types.MessageAttributeValue{}), cmp.Comparer(func(a, b types.MessageAttributeValue) bool {
		return *a.DataType == *b.DataType && sdk.ToString(a.StringValue) == sdk.ToString(b.StringValue) && string(a.BinaryValue) == string(b.BinaryValue)
	})); d != "" {
		t.Error(d)
	}
	const digest = "9e82098937c899411bad53703d5fef48"
	if *sent.MD5OfMessageAttributes != digest || *got[0].MD5OfMessageAttributes != digest {
		t.Errorf("got %s sent, %s received", *sent.MD5OfMessageAttributes, *got[0].MD5OfMessageAttributes)
	}
	q.clock.advance(time.Second)
	if some := q.receive(sqs.ReceiveMessageInput{MessageAttributeNames: []string{"ki.*", "n"}}); len(some[0].MessageAttributes) != 2 {
		t.Errorf("got %v", some[0].MessageAttributes)
	}
}

func TestBatches(t *testing.T) {
	q := newQueue(t, nil)
	sent, err := q.client.SendMessageBatch(ctx(t), &sqs.SendMessageBatchInput{QueueUrl: q.url, Entries: []types.SendMessageBatchRequestEntry{
		{Id: sdk.String("1"), MessageBody: sdk.String("a")},
		{Id: sdk.String("2"), MessageBody: sdk.String("b"), DelaySeconds: 901},
		{Id: sdk.String("3"), MessageBody: sdk.String("c")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(sent.Successful) != 2 || len(sent.Failed) != 1 || *sent.Failed[0].Id != "2" || !sent.Failed[0].SenderFault {
		t.Errorf("got %+v", sent)
	}
	got := q.expect("the two", "a", "c")
	changed, err := q.client.ChangeMessageVisibilityBatch(ctx(t), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: q.url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: sdk.String("1"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 0},
		{Id: sdk.String("2"), ReceiptHandle: sdk.String("unknown"), VisibilityTimeout: 0},
	}})
	if err != nil || len(changed.Successful) != 1 || len(changed.Failed) != 1 {
		t.Errorf("got %+v, %v", changed, err)
	}
	again := q.expect("the one given back", "a")
	deleted, err := q.client.DeleteMessageBatch(ctx(t), &sqs.DeleteMessageBatchInput{QueueUrl: q.url, Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: sdk.String("1"), ReceiptHandle: again[0].ReceiptHandle},
		{Id: sdk.String("2"), ReceiptHandle: got[1].ReceiptHandle},
	}})
	if err != nil || len(deleted.Successful) != 2 {
		t.Errorf("got %+v, %v", deleted, err)
	}
	if a := q.attributes(types.QueueAttributeNameAll); a["ApproximateNumberOfMessages"] != "0" || a["ApproximateNumberOfMessagesNotVisible"] != "0" {
		t.Errorf("got %v", a)
	}
}

func TestBatchErrors(t *testing.T) {
	q := newQueue(t, nil)
	entries := func(n int, body string) []types.SendMessageBatchRequestEntry {
		var list []types.SendMessageBatchRequestEntry
		for i := range n {
			list = append(list, types.SendMessageBatchRequestEntry{Id: sdk.String(fmt.Sprint(i)), MessageBody: &body})
		}
		return list
	}
	twice := entries(2, "a")
	twice[1].Id = twice[0].Id
	for _, tt := range []struct {
		name    string
		entries []types.SendMessageBatchRequestEntry
		want    any
	}{
		{"empty", entries(0, "a"), new(*types.EmptyBatchRequest)},
		{"too many", entries(11, "a"), new(*types.TooManyEntriesInBatchRequest)},
		{"same id", twice, new(*types.BatchEntryIdsNotDistinct)},
		{"too long", entries(2, strings.Repeat("x", 600<<10)), new(*types.BatchRequestTooLong)},
	} {
		_, err := q.client.SendMessageBatch(ctx(t), &sqs.SendMessageBatchInput{QueueUrl: q.url, Entries: append([]types.SendMessageBatchRequestEntry{}, tt.entries...)})
		if !errors.As(err, tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func TestQueueErrors(t *testing.T) {
	q := newQueue(t, nil)
	var missing *types.QueueDoesNotExist
	_, err := q.client.GetQueueUrl(ctx(t), &sqs.GetQueueUrlInput{QueueName: sdk.String("nope")})
	if !errors.As(err, &missing) || missing.ErrorCode() != "AWS.SimpleQueueService.NonExistentQueue" {
		t.Errorf("got %v", err)
	}
	_, err = q.client.SendMessage(ctx(t), &sqs.SendMessageInput{QueueUrl: sdk.String(*q.url + "x"), MessageBody: sdk.String("a")})
	if !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
	_, err = q.client.SendMessage(ctx(t), &sqs.SendMessageInput{QueueUrl: q.url, MessageBody: sdk.String(strings.Repeat("x", 1<<20+1))})
	if err == nil || !strings.Contains(err.Error(), "shorter than") {
		t.Errorf("got %v", err)
	}
	_, err = q.client.CreateQueue(ctx(t), &sqs.CreateQueueInput{QueueName: sdk.String("q.fifo"), Attributes: map[string]string{"FifoQueue": "true"}})
	if err == nil || !strings.Contains(err.Error(), "standard queues only") {
		t.Errorf("got %v", err)
	}
	var exists *types.QueueNameExists
	_, err = q.client.CreateQueue(ctx(t), &sqs.CreateQueueInput{QueueName: sdk.String("work"), Attributes: map[string]string{"DelaySeconds": "5"}})
	if !errors.As(err, &exists) {
		t.Errorf("got %v", err)
	}
}

func TestQueueAdministration(t *testing.T) {
	q := newQueue(t, map[string]string{"VisibilityTimeout": "45"})
	if out, err := q.client.ListQueues(ctx(t), &sqs.ListQueuesInput{QueueNamePrefix: sdk.String("wo")}); err != nil || len(out.QueueUrls) != 1 || out.QueueUrls[0] != *q.url {
		t.Errorf("got %+v, %v", out, err)
	}
	if out, err := q.client.GetQueueUrl(ctx(t), &sqs.GetQueueUrlInput{QueueName: sdk.String("work")}); err != nil || *out.QueueUrl != *q.url {
		t.Errorf("got %+v, %v", out, err)
	}
	_, err := q.client.SetQueueAttributes(ctx(t), &sqs.SetQueueAttributesInput{QueueUrl: q.url, Attributes: map[string]string{
		"DelaySeconds": "3", "RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":4}`,
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := q.attributes("VisibilityTimeout", "DelaySeconds", "QueueArn", "RedrivePolicy")
	want := map[string]string{
		"VisibilityTimeout": "45", "DelaySeconds": "3", "QueueArn": "arn:aws:sqs:us-east-1:000000000000:work",
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":4}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func BenchmarkQueue(b *testing.B) {
	server, err := aws.NewServer(aws.Options{})
	if err != nil {
		b.Fatal(err)
	}
	q := server.AddQueue("q", aws.DefaultQueueAttributes())
	for range 100_000 {
		q.Send("backlog", nil, -1)
	}
	for b.Loop() {
		q.Send("x", nil, -1)
		for _, m := range q.Receive(b.Context(), 1, -1, 0) {
			q.Delete(m.ReceiptHandle)
		}
	}
}
