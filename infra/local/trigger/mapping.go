// Package trigger calls functions as AWS does: for messages of queues (event
// source mappings) and at given times (schedules).
package trigger

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"portico/infra/local/aws"
	"portico/infra/local/template"
)

// Invoke runs a function; see lambda.Function.Invoke.
type Invoke func(ctx context.Context, payload []byte) ([]byte, error)

// defaultConcurrency is how many batches of a mapping without a maximum are
// processed at once.
const defaultConcurrency = 10

// pollWait is one long poll; an event source mapping polls for ever.
const pollWait = 20 * time.Second

// Poller feeds the messages of a queue to a function.
type Poller struct {
	Mapping template.Mapping
	Queue   *aws.Queue
	ARN     string // of the queue
	Region  string
	Invoke  Invoke
	Logf    func(format string, args ...any)
}

// Run polls until ctx ends. Messages that were received and not deleted by then
// reappear after their visibility timeout.
func (p *Poller) Run(ctx context.Context) {
	n := p.Mapping.MaxConcurrency
	if n == 0 {
		n = defaultConcurrency
	}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				if batch := p.receive(ctx); len(batch) > 0 {
					p.process(ctx, batch)
				}
			}
		})
	}
	wg.Wait()
}

// receive waits for a first message, then as long as the window allows for
// more.
func (p *Poller) receive(ctx context.Context) []aws.Message {
	batch := p.Queue.Receive(ctx, p.Mapping.BatchSize, -1, pollWait)
	deadline := time.Now().Add(p.Mapping.Window)
	for len(batch) > 0 && len(batch) < p.Mapping.BatchSize {
		left := time.Until(deadline)
		if left <= 0 {
			break
		}
		more := p.Queue.Receive(ctx, p.Mapping.BatchSize-len(batch), -1, left)
		if len(more) == 0 {
			break
		}
		batch = append(batch, more...)
	}
	return batch
}

// process deletes the messages that the function has processed. The others
// reappear after their visibility timeout, until the redrive policy moves them
// to the dead-letter queue.
func (p *Poller) process(ctx context.Context, batch []aws.Message) {
	reply, err := p.Invoke(ctx, p.event(batch))
	failed := map[string]bool{}
	if err == nil && p.Mapping.PartialFailure {
		failed, err = failures(reply, batch)
	}
	if err != nil {
		if ctx.Err() == nil {
			p.Logf("%s: a batch of %d failed: %v", p.Mapping.LogicalID, len(batch), err)
		}
		return
	}
	for _, m := range batch {
		if !failed[m.ID] {
			p.Queue.Delete(m.ReceiptHandle)
		}
	}
}

// failures reads a partial batch response. If Lambda would not understand it,
// the whole batch fails.
func failures(reply []byte, batch []aws.Message) (map[string]bool, error) {
	var response struct {
		BatchItemFailures []struct{ ItemIdentifier *string }
	}
	if len(reply) > 0 {
		if err := json.Unmarshal(reply, &response); err != nil {
			return nil, fmt.Errorf("the answer is not a batch response: %w", err)
		}
	}
	known := map[string]bool{}
	for _, m := range batch {
		known[m.ID] = true
	}
	failed := map[string]bool{}
	for _, f := range response.BatchItemFailures {
		if f.ItemIdentifier == nil || !known[*f.ItemIdentifier] {
			return nil, fmt.Errorf("batchItemFailures names an item that is not in the batch: %s", reply)
		}
		failed[*f.ItemIdentifier] = true
	}
	return failed, nil
}

type record struct {
	MessageID         string                     `json:"messageId"`
	ReceiptHandle     string                     `json:"receiptHandle"`
	Body              string                     `json:"body"`
	Attributes        map[string]string          `json:"attributes"`
	MessageAttributes map[string]recordAttribute `json:"messageAttributes"`
	MD5OfBody         string                     `json:"md5OfBody"`
	EventSource       string                     `json:"eventSource"`
	EventSourceARN    string                     `json:"eventSourceARN"`
	AWSRegion         string                     `json:"awsRegion"`
}

type recordAttribute struct {
	StringValue *string `json:"stringValue,omitempty"`
	BinaryValue []byte  `json:"binaryValue,omitempty"`
	DataType    string  `json:"dataType"`
}

func (p *Poller) event(batch []aws.Message) []byte {
	records := make([]record, 0, len(batch))
	for _, m := range batch {
		sum := md5.Sum([]byte(m.Body))
		r := record{
			MessageID: m.ID, ReceiptHandle: m.ReceiptHandle, Body: m.Body, MD5OfBody: hex.EncodeToString(sum[:]),
			Attributes: map[string]string{
				"ApproximateReceiveCount":          strconv.Itoa(m.ReceiveCount),
				"SentTimestamp":                    strconv.FormatInt(m.SentAt.UnixMilli(), 10),
				"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.FirstReceived.UnixMilli(), 10),
				"SenderId":                         "local",
			},
			MessageAttributes: map[string]recordAttribute{},
			EventSource:       "aws:sqs", EventSourceARN: p.ARN, AWSRegion: p.Region,
		}
		for name, a := range m.Attributes {
			r.MessageAttributes[name] = recordAttribute{a.StringValue, a.BinaryValue, a.DataType}
		}
		records = append(records, r)
	}
	data, _ := json.Marshal(map[string]any{"Records": records}) // strings always encode
	return data
}
