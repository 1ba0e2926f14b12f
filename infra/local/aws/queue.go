package aws

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// QueueAttributes are the settings of a queue. Sizes are in bytes.
type QueueAttributes struct {
	VisibilityTimeout time.Duration
	Delay             time.Duration
	Retention         time.Duration
	ReceiveWait       time.Duration
	MaxMessageBytes   int
	DeadLetterQueue   string // name; empty without redrive
	MaxReceiveCount   int
}

// DefaultQueueAttributes are those of SQS.
func DefaultQueueAttributes() QueueAttributes {
	return QueueAttributes{VisibilityTimeout: 30 * time.Second, Retention: 4 * 24 * time.Hour, MaxMessageBytes: 1 << 20}
}

// Message is one message of a queue.
type Message struct {
	ID            string
	Body          string
	Attributes    map[string]MessageAttribute
	SentAt        time.Time
	FirstReceived time.Time
	ReceiveCount  int
	ReceiptHandle string // of the last receive

	visibleAt time.Time
	inFlight  bool
	position  int    // in the heap
	order     uint64 // of sending
}

// MessageAttribute is a typed attribute. Binary values are kept in BinaryValue.
type MessageAttribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

// Depth counts the messages of a queue.
type Depth struct{ Visible, InFlight, Delayed int }

// Queue is a standard queue. All messages are in one heap, the soonest visible
// first: delayed messages and messages in flight only become visible later.
type Queue struct {
	Name    string
	Created time.Time

	server *Server

	mu       sync.Mutex
	attrs    QueueAttributes
	messages messageHeap
	receipts map[string]*Message
	changed  chan struct{} // closed and replaced when a message may have become visible
	sent     uint64
}

// Attributes returns the settings.
func (q *Queue) Attributes() QueueAttributes {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.attrs
}

func (q *Queue) setAttributes(a QueueAttributes) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.attrs = a
}

// Send adds a message. A negative delay means the queue's own.
func (q *Queue) Send(body string, attributes map[string]MessageAttribute, delay time.Duration) Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	if delay < 0 {
		delay = q.attrs.Delay
	}
	now := q.server.opts.Now()
	m := &Message{ID: newID(), Body: body, Attributes: attributes, SentAt: now, visibleAt: now.Add(delay)}
	q.add(m)
	return *m
}

func (q *Queue) add(m *Message) {
	q.sent++
	m.order = q.sent
	heap.Push(&q.messages, m)
	q.wake()
}

func (q *Queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// Receive returns up to limit messages and hides them for the visibility
// timeout (negative: the queue's own). When there is none it waits for one, as
// long as wait and ctx allow.
func (q *Queue) Receive(ctx context.Context, limit int, visibility, wait time.Duration) []Message {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		list, next, changed := q.take(limit, visibility)
		if len(list) > 0 || ctx.Err() != nil {
			return list
		}
		timer := time.NewTimer(next)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done(): // looks once more
		}
		timer.Stop()
	}
}

// idle is how long a receive sleeps when no message will become visible.
const idle = time.Hour

// take receives without waiting. If there is no message, next is the time until
// one becomes visible, and changed is closed when a new one may have been sent.
func (q *Queue) take(limit int, visibility time.Duration) (list []Message, next time.Duration, changed <-chan struct{}) {
	dead := q.deadLetterQueue()
	q.mu.Lock()
	if visibility < 0 {
		visibility = q.attrs.VisibilityTimeout
	}
	now := q.server.opts.Now()
	next, changed = idle, q.changed
	var taken, letters []*Message
	for len(taken) < limit && len(q.messages) > 0 {
		m := q.messages[0]
		if m.visibleAt.After(now) {
			next = m.visibleAt.Sub(now)
			break
		}
		heap.Pop(&q.messages)
		delete(q.receipts, m.ReceiptHandle)
		switch {
		case q.expired(m, now): // gone
		case dead != nil && m.ReceiveCount >= q.attrs.MaxReceiveCount:
			letters = append(letters, m)
		default:
			taken = append(taken, m)
		}
	}
	for _, m := range taken {
		q.hide(m, now, visibility)
		list = append(list, *m)
	}
	q.mu.Unlock() // before another queue is locked
	for _, m := range letters {
		dead.adopt(m)
	}
	return list, next, changed
}

func (q *Queue) expired(m *Message, now time.Time) bool {
	return !now.Before(m.SentAt.Add(q.attrs.Retention))
}

func (q *Queue) hide(m *Message, now time.Time, visibility time.Duration) {
	m.ReceiveCount++
	if m.FirstReceived.IsZero() {
		m.FirstReceived = now
	}
	m.ReceiptHandle = newID()
	q.receipts[m.ReceiptHandle] = m
	m.inFlight = true
	m.visibleAt = now.Add(visibility)
	heap.Push(&q.messages, m)
}

func (q *Queue) deadLetterQueue() *Queue {
	if name := q.Attributes().DeadLetterQueue; name != "" {
		return q.server.Queue(name)
	}
	return nil
}

// adopt takes over a dead letter with its id and age.
func (q *Queue) adopt(m *Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(&Message{
		ID: m.ID, Body: m.Body, Attributes: m.Attributes, SentAt: m.SentAt,
		FirstReceived: m.FirstReceived, visibleAt: q.server.opts.Now(),
	})
}

// Delete removes the message that was received with this handle. Like SQS, it
// returns no error if the message is gone or was received again.
func (q *Queue) Delete(receipt string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if m := q.receipts[receipt]; m != nil {
		delete(q.receipts, receipt)
		heap.Remove(&q.messages, m.position)
	}
}

// ChangeVisibility hides the message for that long from now; false when it is
// not in flight under this handle.
func (q *Queue) ChangeVisibility(receipt string, timeout time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := q.receipts[receipt]
	now := q.server.opts.Now()
	if m == nil || !m.visibleAt.After(now) {
		return false
	}
	m.visibleAt = now.Add(timeout)
	heap.Fix(&q.messages, m.position)
	q.wake()
	return true
}

// Purge removes all messages.
func (q *Queue) Purge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages, q.receipts = nil, map[string]*Message{}
}

// Depth counts the messages, without those past their retention.
func (q *Queue) Depth() Depth {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.server.opts.Now()
	var d Depth
	for _, m := range q.messages {
		switch {
		case q.expired(m, now):
		case !m.visibleAt.After(now):
			d.Visible++
		case m.inFlight:
			d.InFlight++
		default:
			d.Delayed++
		}
	}
	return d
}

// messageHeap orders by time of visibility, then by time of sending.
type messageHeap []*Message

func (h messageHeap) Len() int { return len(h) }
func (h messageHeap) Less(i, j int) bool {
	if !h[i].visibleAt.Equal(h[j].visibleAt) {
		return h[i].visibleAt.Before(h[j].visibleAt)
	}
	return h[i].order < h[j].order
}
func (h messageHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].position, h[j].position = i, j
}
func (h *messageHeap) Push(x any) {
	m := x.(*Message)
	m.position = len(*h)
	*h = append(*h, m)
}
func (h *messageHeap) Pop() any {
	old := *h
	m := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return m
}
