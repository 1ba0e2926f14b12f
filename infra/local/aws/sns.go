package aws

import (
	"encoding/json"
	"time"
)

// publish hands a message to every queue that is subscribed to a topic, as SNS
// does, and returns how many there are.
func (s *Server) publish(topic, subject, message string) (queues int) {
	for _, sub := range s.ses.wiring.Subscriptions {
		queue := s.Queue(sub.Queue)
		if sub.TopicARN != topic || queue == nil {
			continue
		}
		body := message
		if !sub.Raw {
			data, _ := json.Marshal(map[string]string{ // texts
				"Type": "Notification", "MessageId": newID(), "TopicArn": topic, "Subject": subject, "Message": message,
				"Timestamp": s.opts.Clock().UTC().Format(eventTime), "SignatureVersion": "1",
			})
			body = string(data)
		}
		queue.Send(body, nil, 0)
		queues++
	}
	return queues
}

// eventTime is how SES and SNS write times: to the millisecond, in UTC.
const eventTime = "2006-01-02T15:04:05.000Z"

func eventTimeOf(t time.Time) string { return t.UTC().Format(eventTime) }
