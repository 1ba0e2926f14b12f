package aws

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ignoredAttributes are about the security of a queue; they have no effect on a
// laptop.
var ignoredAttributes = []string{"Policy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled", "RedriveAllowPolicy"}

// parseAttributes returns base with the given attributes changed.
func parseAttributes(base QueueAttributes, given map[string]string) (QueueAttributes, error) {
	for name, value := range given {
		seconds, err := strconv.Atoi(value)
		d := time.Duration(seconds) * time.Second
		switch name {
		case "VisibilityTimeout":
			base.VisibilityTimeout = d
		case "DelaySeconds":
			base.Delay = d
		case "MessageRetentionPeriod":
			base.Retention = d
		case "ReceiveMessageWaitTimeSeconds":
			base.ReceiveWait = d
		case "MaximumMessageSize":
			base.MaxMessageBytes = seconds
		case "RedrivePolicy":
			base.DeadLetterQueue, base.MaxReceiveCount, err = parseRedrive(value)
		default:
			if !slices.Contains(ignoredAttributes, name) {
				return base, invalid("InvalidAttributeName", "The local stack does not know the attribute %s.", name)
			}
			err = nil
		}
		if err != nil || seconds < 0 {
			return base, invalid("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
		}
	}
	return base, nil
}

func parseRedrive(policy string) (queue string, maxReceiveCount int, err error) {
	if policy == "" {
		return "", 0, nil
	}
	var p struct {
		DeadLetterTargetArn string      `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.Number `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		return "", 0, err
	}
	maxReceiveCount, err = strconv.Atoi(p.MaxReceiveCount.String())
	if err != nil || maxReceiveCount < 1 || p.DeadLetterTargetArn == "" {
		return "", 0, fmt.Errorf("a redrive policy needs deadLetterTargetArn and maxReceiveCount")
	}
	return p.DeadLetterTargetArn[strings.LastIndex(p.DeadLetterTargetArn, ":")+1:], maxReceiveCount, nil
}

func (s *Server) queueARN(name string) string {
	return fmt.Sprintf("arn:aws:sqs:%s:%s:%s", s.opts.Region, s.opts.AccountID, name)
}

func getQueueAttributes(s *Server, _ *http.Request, in queueInput) (any, error) {
	q, err := s.queueOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	a, depth := q.Attributes(), q.Depth()
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	all := map[string]string{
		"QueueArn":                              s.queueARN(q.Name),
		"CreatedTimestamp":                      strconv.FormatInt(q.Created.Unix(), 10),
		"VisibilityTimeout":                     seconds(a.VisibilityTimeout),
		"DelaySeconds":                          seconds(a.Delay),
		"MessageRetentionPeriod":                seconds(a.Retention),
		"ReceiveMessageWaitTimeSeconds":         seconds(a.ReceiveWait),
		"MaximumMessageSize":                    strconv.Itoa(a.MaxMessageBytes),
		"ApproximateNumberOfMessages":           strconv.Itoa(depth.Visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(depth.InFlight),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(depth.Delayed),
	}
	if a.DeadLetterQueue != "" {
		all["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, s.queueARN(a.DeadLetterQueue), a.MaxReceiveCount)
	}
	out := map[string]string{}
	for name, value := range all {
		if slices.Contains(in.AttributeNames, name) || slices.Contains(in.AttributeNames, "All") {
			out[name] = value
		}
	}
	return map[string]any{"Attributes": out}, nil
}

func setQueueAttributes(s *Server, _ *http.Request, in queueInput) (any, error) {
	q, err := s.queueOf(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	attrs, err := parseAttributes(q.Attributes(), in.Attributes)
	if err != nil {
		return nil, err
	}
	q.setAttributes(attrs)
	return nil, nil
}
