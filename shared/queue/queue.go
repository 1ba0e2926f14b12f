// Package queue sends messages to SQS.
package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Sender sends messages to one queue.
type Sender struct {
	// One call, and not the client, whose other methods would stay in the program.
	send func(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	url  string
}

// NewSender returns a sender to the queue at url.
func NewSender(client *sqs.Client, url string) *Sender {
	return &Sender{send: client.SendMessage, url: url}
}

// Send sends one message. Messages may arrive more than once and in any order.
func (s *Sender) Send(ctx context.Context, body string) error { return s.SendAfter(ctx, body, 0) }

// SendAfter sends a message that arrives after a delay, which is rounded up to
// seconds and at most 15 minutes.
func (s *Sender) SendAfter(ctx context.Context, body string, delay time.Duration) error {
	seconds := int32((delay + time.Second - 1) / time.Second)
	if _, err := s.send(ctx, &sqs.SendMessageInput{QueueUrl: &s.url, MessageBody: &body, DelaySeconds: seconds}); err != nil {
		return fmt.Errorf("queue.Send: %w", err)
	}
	return nil
}
