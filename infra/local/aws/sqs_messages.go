package aws

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// maxDelay is that of one message.
const maxDelay = 15 * time.Minute

// entry is a message to send, alone or in a batch.
type entry struct {
	Id                string
	MessageBody       string
	DelaySeconds      *int
	MessageAttributes map[string]MessageAttribute
	MessageGroupId    string
}

func (e entry) size() int {
	n := len(e.MessageBody)
	for name, a := range e.MessageAttributes {
		n += len(name) + len(a.DataType) + len(a.BinaryValue)
		if a.StringValue != nil {
			n += len(*a.StringValue)
		}
	}
	return n
}

type sent struct {
	Id                     string `json:",omitempty"`
	MessageId              string
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
}

func (q *Queue) sendEntry(e entry) (sent, error) {
	delay := time.Duration(-1)
	if e.DelaySeconds != nil {
		delay = time.Duration(*e.DelaySeconds) * time.Second
	}
	limit := q.Attributes().MaxMessageBytes
	switch {
	case e.MessageBody == "":
		return sent{}, invalid("MissingParameter", "The request must contain the parameter MessageBody.")
	case e.MessageGroupId != "":
		return sent{}, invalid("InvalidParameterValue", "The local stack does not know MessageGroupId.")
	case e.size() > limit:
		return sent{}, invalid("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
	case delay > maxDelay || e.DelaySeconds != nil && delay < 0:
		return sent{}, invalid("InvalidParameterValue", "Value for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.")
	}
	for name, a := range e.MessageAttributes {
		kind, _, _ := strings.Cut(a.DataType, ".")
		if kind != "String" && kind != "Number" && kind != "Binary" || (a.StringValue == nil) != (kind == "Binary") {
			return sent{}, invalid("InvalidParameterValue", "The message attribute %q must have a DataType and a value of that type.", name)
		}
	}
	m := q.Send(e.MessageBody, e.MessageAttributes, delay)
	return sent{e.Id, m.ID, md5Hex([]byte(m.Body)), md5OfAttributes(m.Attributes)}, nil
}

type sendInput struct {
	QueueUrl string
	entry
}

func sendMessage(s *Server, _ *http.Request, in sendInput) (any, error) {
	q, err := s.queueOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	out, err := q.sendEntry(in.entry)
	if err != nil {
		return nil, err
	}
	return out, nil
}

type batchInput[E any] struct {
	QueueUrl string
	Entries  []E
}

type batchFailure struct {
	Id          string
	SenderFault bool
	Code        string
	Message     string
}

type batchOutput struct {
	Successful []any
	Failed     []batchFailure
}

// batch handles each entry separately: if one fails, the others still succeed.
func batch[E any](s *Server, in batchInput[E], id func(E) string, do func(*Queue, E) (any, error)) (any, error) {
	q, err := s.queueOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(in.Entries) == 0 {
		return nil, invalid("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(in.Entries) > 10 {
		return nil, invalid("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent %d.", len(in.Entries))
	}
	seen := map[string]bool{}
	for _, e := range in.Entries {
		if seen[id(e)] {
			return nil, invalid("BatchEntryIdsNotDistinct", "Id %s repeated.", id(e))
		}
		seen[id(e)] = true
	}
	out := batchOutput{Successful: []any{}, Failed: []batchFailure{}}
	for _, e := range in.Entries {
		result, err := do(q, e)
		if refused := new(apiError); errors.As(err, &refused) {
			out.Failed = append(out.Failed, batchFailure{id(e), true, refused.code, refused.message})
			continue
		}
		out.Successful = append(out.Successful, result)
	}
	return out, nil
}

// maxBatchBytes bounds the sum of a batch.
const maxBatchBytes = 1 << 20

func sendMessageBatch(s *Server, _ *http.Request, in batchInput[entry]) (any, error) {
	size := 0
	for _, e := range in.Entries {
		size += e.size()
	}
	if size > maxBatchBytes {
		return nil, invalid("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxBatchBytes, size)
	}
	return batch(s, in, func(e entry) string { return e.Id }, func(q *Queue, e entry) (any, error) {
		return q.sendEntry(e)
	})
}

// receipt names a received message, alone or in a batch.
type receipt struct {
	Id                string
	ReceiptHandle     string
	VisibilityTimeout int
}

type batchDone struct{ Id string }

type receiptInput struct {
	QueueUrl string
	receipt
}

func (q *Queue) deleteReceipt(r receipt) error {
	if r.ReceiptHandle == "" {
		return invalid("ReceiptHandleIsInvalid", "The receipt handle is empty.")
	}
	q.Delete(r.ReceiptHandle)
	return nil
}

func deleteMessage(s *Server, _ *http.Request, in receiptInput) (any, error) {
	q, err := s.queueOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, q.deleteReceipt(in.receipt)
}

func deleteMessageBatch(s *Server, _ *http.Request, in batchInput[receipt]) (any, error) {
	return batch(s, in, func(r receipt) string { return r.Id }, func(q *Queue, r receipt) (any, error) {
		return batchDone{r.Id}, q.deleteReceipt(r)
	})
}

func (q *Queue) changeReceipt(r receipt) error {
	timeout := time.Duration(r.VisibilityTimeout) * time.Second
	if timeout < 0 || timeout > 12*time.Hour {
		return invalid("InvalidParameterValue", "VisibilityTimeout must be between 0 and 43200 seconds.")
	}
	if !q.ChangeVisibility(r.ReceiptHandle, timeout) {
		return invalid("MessageNotInflight", "The message referred to isn't in flight.")
	}
	return nil
}

func changeVisibility(s *Server, _ *http.Request, in receiptInput) (any, error) {
	q, err := s.queueOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, q.changeReceipt(in.receipt)
}

func changeVisibilityBatch(s *Server, _ *http.Request, in batchInput[receipt]) (any, error) {
	return batch(s, in, func(r receipt) string { return r.Id }, func(q *Queue, r receipt) (any, error) {
		return batchDone{r.Id}, q.changeReceipt(r)
	})
}
