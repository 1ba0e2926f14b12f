package trigger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"portico/infra/local/aws"
	"portico/infra/local/template"
	"portico/infra/local/trigger"
)

type event struct {
	Records []struct {
		MessageID, Body, EventSource, EventSourceARN, AWSRegion, MD5OfBody string
		Attributes                                                         map[string]string
		MessageAttributes                                                  map[string]struct{ StringValue, DataType string }
	}
}

// poll runs a mapping of a queue in a synctest bubble: its time jumps when all
// goroutines wait.
func poll(t *testing.T, m template.Mapping, attrs aws.QueueAttributes, handle func(event) (string, error), during func(work, dead *aws.Queue, logs func() string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, err := aws.NewServer(aws.Options{})
		if err != nil {
			t.Fatal(err)
		}
		dead := server.AddQueue("dead", aws.DefaultQueueAttributes())
		work := server.AddQueue("work", attrs)
		var mu sync.Mutex
		var logs strings.Builder
		p := trigger.Poller{
			Mapping: m, Queue: work, ARN: "arn:work", Region: "us-east-1",
			Invoke: func(_ context.Context, payload []byte) ([]byte, error) {
				var e event
				if err := json.Unmarshal(payload, &e); err != nil {
					t.Error(err)
				}
				reply, err := handle(e)
				return []byte(reply), err
			},
			Logf: func(format string, args ...any) {
				mu.Lock()
				defer mu.Unlock()
				fmt.Fprintf(&logs, format+"\n", args...)
			},
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.Run(ctx); close(done) }()
		synctest.Wait()
		during(work, dead, func() string { mu.Lock(); defer mu.Unlock(); return logs.String() })
		cancel()
		<-done
	})
}

func attributes() aws.QueueAttributes {
	a := aws.DefaultQueueAttributes()
	a.VisibilityTimeout, a.DeadLetterQueue, a.MaxReceiveCount = 30*time.Second, "dead", 3
	return a
}

func TestBatchIsDelivered(t *testing.T) {
	var got []event
	m := template.Mapping{LogicalID: "M", BatchSize: 3, Window: time.Second, MaxConcurrency: 1}
	poll(t, m, attributes(), func(e event) (string, error) {
		got = append(got, e)
		return "", nil
	}, func(work, _ *aws.Queue, _ func() string) {
		value := "v"
		for _, body := range []string{"a", "b", "c", "d"} {
			work.Send(body, map[string]aws.MessageAttribute{"k": {DataType: "String", StringValue: &value}}, -1)
			<-time.After(100 * time.Millisecond)
		}
		<-time.After(10 * time.Second)
		if d := work.Depth(); d != (aws.Depth{}) {
			t.Errorf("the queue still holds %+v", d)
		}
	})
	var sizes []int
	for _, e := range got {
		sizes = append(sizes, len(e.Records))
	}
	if d := cmp.Diff([]int{3, 1}, sizes); d != "" {
		t.Fatalf("batches: %s", d)
	}
	r := got[0].Records[0]
	if r.Body != "a" || r.EventSource != "aws:sqs" || r.EventSourceARN != "arn:work" || r.AWSRegion != "us-east-1" ||
		r.MD5OfBody != "0cc175b9c0f1b6a831c399e269772661" || r.Attributes["ApproximateReceiveCount"] != "1" || r.MessageAttributes["k"].StringValue != "v" {
		t.Errorf("got %+v", r)
	}
}

// Only failed messages reappear after the visibility timeout, and end in the
// dead-letter queue.
func TestPartialBatchFailure(t *testing.T) {
	var received []string
	m := template.Mapping{LogicalID: "M", BatchSize: 10, Window: time.Second, MaxConcurrency: 2, PartialFailure: true}
	poll(t, m, attributes(), func(e event) (string, error) {
		var failed []string
		for _, r := range e.Records {
			received = append(received, r.Body)
			if r.Body == "poison" {
				failed = append(failed, fmt.Sprintf(`{"itemIdentifier":%q}`, r.MessageID))
			}
		}
		return `{"batchItemFailures":[` + strings.Join(failed, ",") + `]}`, nil
	}, func(work, dead *aws.Queue, _ func() string) {
		for _, body := range []string{"good", "poison", "fine"} {
			work.Send(body, nil, -1)
		}
		<-time.After(10 * time.Minute)
		if work.Depth() != (aws.Depth{}) || dead.Depth().Visible != 1 {
			t.Errorf("work %+v, dead letters %+v", work.Depth(), dead.Depth())
		}
	})
	slices.Sort(received)
	if d := cmp.Diff([]string{"fine", "good", "poison", "poison", "poison"}, received); d != "" {
		t.Error(d)
	}
}

// An error, and an answer that cannot be understood, fail the whole batch.
func TestWholeBatchFails(t *testing.T) {
	for _, tt := range []struct {
		reply string
		err   error
	}{
		{"", errors.New("no luck")},
		{`{"batchItemFailures":[{"itemIdentifier":"unknown"}]}`, nil},
		{`{"batchItemFailures":[{"itemIdentifier":""}]}`, nil},
		{`{"batchItemFailures":[{"wrong":"key"}]}`, nil},
		{`{"batchItemFailures":"x"}`, nil},
		{`not json`, nil},
	} {
		m := template.Mapping{LogicalID: "M", BatchSize: 10, MaxConcurrency: 1, PartialFailure: true}
		poll(t, m, attributes(), func(event) (string, error) { return tt.reply, tt.err }, func(work, dead *aws.Queue, logs func() string) {
			work.Send("a", nil, -1)
			<-time.After(time.Second)
			if work.Depth().InFlight != 1 || !strings.Contains(logs(), "M: a batch of 1 failed") {
				t.Errorf("%q, %v: %+v, log %q", tt.reply, tt.err, work.Depth(), logs())
			}
			<-time.After(10 * time.Minute)
			if dead.Depth().Visible != 1 {
				t.Errorf("%q, %v: no dead letter", tt.reply, tt.err)
			}
		})
	}
}

func TestEmptyAnswersSucceed(t *testing.T) {
	for _, reply := range []string{"", "null", "{}", `{"batchItemFailures":null}`, `{"batchItemFailures":[]}`} {
		m := template.Mapping{LogicalID: "M", BatchSize: 10, MaxConcurrency: 1, PartialFailure: true}
		poll(t, m, attributes(), func(event) (string, error) { return reply, nil }, func(work, _ *aws.Queue, _ func() string) {
			work.Send("a", nil, -1)
			<-time.After(time.Second)
			if work.Depth() != (aws.Depth{}) {
				t.Errorf("%q: %+v", reply, work.Depth())
			}
		})
	}
}

func TestMaximumConcurrency(t *testing.T) {
	var mu sync.Mutex
	running, most := 0, 0
	m := template.Mapping{LogicalID: "M", BatchSize: 1, MaxConcurrency: 3}
	poll(t, m, attributes(), func(event) (string, error) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		<-time.After(time.Second)
		mu.Lock()
		running--
		mu.Unlock()
		return "", nil
	}, func(work, _ *aws.Queue, _ func() string) {
		for range 10 {
			work.Send("a", nil, -1)
		}
		<-time.After(time.Minute)
		if work.Depth() != (aws.Depth{}) {
			t.Errorf("left: %+v", work.Depth())
		}
	})
	if most != 3 {
		t.Errorf("%d batches at once, want 3", most)
	}
}
