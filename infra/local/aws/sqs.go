package aws

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// queryCodes are the codes that SQS reports besides those of its JSON protocol.
var queryCodes = map[string]string{
	"QueueDoesNotExist":            "AWS.SimpleQueueService.NonExistentQueue",
	"QueueNameExists":              "QueueAlreadyExists",
	"MessageNotInflight":           "AWS.SimpleQueueService.MessageNotInflight",
	"EmptyBatchRequest":            "AWS.SimpleQueueService.EmptyBatchRequest",
	"TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
	"BatchEntryIdsNotDistinct":     "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
	"BatchRequestTooLong":          "AWS.SimpleQueueService.BatchRequestTooLong",
	"ReceiptHandleIsInvalid":       "ReceiptHandleIsInvalid",
}

var sqsActions = map[string]action{
	"CreateQueue":                  act(createQueue),
	"GetQueueUrl":                  act(getQueueURL),
	"ListQueues":                   act(listQueues),
	"GetQueueAttributes":           act(getQueueAttributes),
	"SetQueueAttributes":           act(setQueueAttributes),
	"PurgeQueue":                   act(purgeQueue),
	"SendMessage":                  act(sendMessage),
	"SendMessageBatch":             act(sendMessageBatch),
	"ReceiveMessage":               act(receiveMessage),
	"DeleteMessage":                act(deleteMessage),
	"DeleteMessageBatch":           act(deleteMessageBatch),
	"ChangeMessageVisibility":      act(changeVisibility),
	"ChangeMessageVisibilityBatch": act(changeVisibilityBatch),
}

// AddQueue creates a queue, or changes the attributes of the one that is there.
func (s *Server) AddQueue(name string, attrs QueueAttributes) *Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	if q == nil {
		q = &Queue{Name: name, Created: s.opts.Now(), server: s, receipts: map[string]*Message{}, changed: make(chan struct{})}
		s.queues[name] = q
	}
	q.setAttributes(attrs)
	return q
}

// Queue returns the queue of that name, or nil.
func (s *Server) Queue(name string) *Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queues[name]
}

// Queues returns all queues by name.
func (s *Server) Queues() []*Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Queue
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		list = append(list, s.queues[name])
	}
	return list
}

// QueueURL returns the URL of a queue.
func (s *Server) QueueURL(name string) string {
	return s.opts.Endpoint + "/" + s.opts.AccountID + "/" + name
}

func (s *Server) queueOf(url string) (*Queue, error) {
	if q := s.Queue(url[strings.LastIndex(url, "/")+1:]); q != nil {
		return q, nil
	}
	return nil, invalid("QueueDoesNotExist", "The specified queue does not exist.")
}

type createQueueInput struct {
	QueueName  string
	Attributes map[string]string
}

func createQueue(s *Server, _ *http.Request, in createQueueInput) (any, error) {
	if in.QueueName == "" || strings.HasSuffix(in.QueueName, ".fifo") {
		return nil, invalid("InvalidParameterValue", "The local stack has standard queues only; %q cannot be one.", in.QueueName)
	}
	attrs, err := parseAttributes(DefaultQueueAttributes(), in.Attributes)
	if err != nil {
		return nil, err
	}
	if q := s.Queue(in.QueueName); q != nil {
		before := q.Attributes()
		if attrs, err := parseAttributes(before, in.Attributes); err != nil || attrs != before {
			return nil, invalid("QueueNameExists", "A queue already exists with the same name and a different value for an attribute.")
		}
	} else {
		s.AddQueue(in.QueueName, attrs)
	}
	return map[string]string{"QueueUrl": s.QueueURL(in.QueueName)}, nil
}

type queueNameInput struct{ QueueName, QueueNamePrefix string }

func getQueueURL(s *Server, _ *http.Request, in queueNameInput) (any, error) {
	if _, err := s.queueOf(in.QueueName); err != nil {
		return nil, err
	}
	return map[string]string{"QueueUrl": s.QueueURL(in.QueueName)}, nil
}

func listQueues(s *Server, _ *http.Request, in queueNameInput) (any, error) {
	urls := []string{}
	for _, q := range s.Queues() {
		if strings.HasPrefix(q.Name, in.QueueNamePrefix) {
			urls = append(urls, s.QueueURL(q.Name))
		}
	}
	return map[string][]string{"QueueUrls": urls}, nil
}

type queueInput struct {
	QueueUrl       string //nolint:revive // the wire's name
	AttributeNames []string
	Attributes     map[string]string
}

func purgeQueue(s *Server, _ *http.Request, in queueInput) (any, error) {
	q, err := s.queueOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	q.Purge()
	return nil, nil
}

type receiveInput struct {
	QueueUrl                    string
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type receivedMessage struct {
	MessageId              string
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string           `json:",omitempty"`
	MD5OfMessageAttributes string                      `json:",omitempty"`
	MessageAttributes      map[string]MessageAttribute `json:",omitempty"`
}

func receiveMessage(s *Server, r *http.Request, in receiveInput) (any, error) {
	q, err := s.queueOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	limit, visibility, wait := 1, time.Duration(-1), q.Attributes().ReceiveWait
	if n := in.MaxNumberOfMessages; n != nil && *n != 0 {
		limit = *n
	}
	if in.VisibilityTimeout != nil {
		visibility = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	if in.WaitTimeSeconds != nil {
		wait = time.Duration(*in.WaitTimeSeconds) * time.Second
	}
	if limit < 1 || limit > 10 || wait < 0 || wait > 20*time.Second || visibility > 12*time.Hour {
		return nil, invalid("InvalidParameterValue", "A receive takes 1 to 10 messages, waits 0 to 20 seconds and hides for 0 to 12 hours.")
	}
	out := []receivedMessage{}
	for _, m := range q.Receive(r.Context(), limit, visibility, wait) {
		attributes := chosenAttributes(m.Attributes, in.MessageAttributeNames)
		out = append(out, receivedMessage{
			MessageId: m.ID, ReceiptHandle: m.ReceiptHandle, Body: m.Body, MD5OfBody: md5Hex([]byte(m.Body)),
			Attributes:        systemAttributes(m, append(in.AttributeNames, in.MessageSystemAttributeNames...)),
			MessageAttributes: attributes, MD5OfMessageAttributes: md5OfAttributes(attributes),
		})
	}
	return map[string]any{"Messages": out}, nil
}

func systemAttributes(m Message, wanted []string) map[string]string {
	out := map[string]string{}
	for name, value := range map[string]string{
		"ApproximateReceiveCount":          strconv.Itoa(m.ReceiveCount),
		"SentTimestamp":                    strconv.FormatInt(m.SentAt.UnixMilli(), 10),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.FirstReceived.UnixMilli(), 10),
		"SenderId":                         "local",
	} {
		if slices.Contains(wanted, name) || slices.Contains(wanted, "All") {
			out[name] = value
		}
	}
	return out
}

func chosenAttributes(all map[string]MessageAttribute, wanted []string) map[string]MessageAttribute {
	out := map[string]MessageAttribute{}
	for name, a := range all {
		for _, w := range wanted {
			prefix, wild := strings.CutSuffix(w, ".*")
			if w == "All" || w == name || wild && strings.HasPrefix(name, prefix) {
				out[name] = a
			}
		}
	}
	return out
}

func md5Hex(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

// md5OfAttributes is the digest that SQS documents for message attributes.
func md5OfAttributes(attributes map[string]MessageAttribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var buf []byte
	add := func(data []byte) {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(data)))
		buf = append(buf, data...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		add([]byte(name))
		add([]byte(a.DataType))
		if a.StringValue != nil {
			buf = append(buf, 1)
			add([]byte(*a.StringValue))
		} else {
			buf = append(buf, 2)
			add(a.BinaryValue)
		}
	}
	return md5Hex(buf)
}
