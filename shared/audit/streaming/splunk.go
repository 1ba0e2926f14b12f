package streaming

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"portico/shared/audit/stream"
)

// splunkPath is the path of the HTTP Event Collector for JSON.
const splunkPath = "/services/collector/event"

// sourcetype is the type of our events in Splunk.
const sourcetype = "portico:audit"

// splunkEvent is an event as the collector reads it.
type splunkEvent struct {
	Time       json.Number  `json:"time"` // seconds since 1970
	Host       string       `json:"host"`
	Source     string       `json:"source"`
	Sourcetype string       `json:"sourcetype"`
	Index      string       `json:"index,omitempty"`
	Event      stream.Entry `json:"event"`
}

// splunkAnswer is what the collector answers.
type splunkAnswer struct {
	Code    int  `json:"code"`
	Invalid *int `json:"invalid-event-number"` // counted from 0: those before it are accepted
}

// splunkCodes say what the collector's codes mean. Its own text is not shown, because it
// could repeat the token.
var splunkCodes = map[int]string{
	1: "the token is disabled", 2: "a token is needed", 3: "the token was not understood", 4: "the token is not valid",
	5: "it got no data", 6: "it does not accept the format of an event", 7: "the index is not one of the token's",
	8: "an internal error of Splunk", 9: "it is busy", 10: "the data channel is missing: switch off indexer acknowledgement for the token",
	11: "the data channel is not valid", 12: "the field event is missing", 13: "the field event is empty", 14: "acknowledgement is switched off",
	15: "an indexed field was not understood", 16: "the query string is not allowed", 18: "its queues are full", 23: "it is shutting down",
}

func (s *Sender) sendSplunk(ctx context.Context, b stream.Batch) stream.Outcome {
	address, err := url.Parse(b.Stream.Settings.URL)
	if err != nil {
		return stream.Outcome{Error: "the URL cannot be used"}
	}
	if strings.Trim(address.Path, "/") == "" {
		address.Path = splunkPath
	}
	var body []byte
	for _, e := range b.Entries {
		body = append(append(body, encode(splunkEvent{
			Time: seconds(time.Time(e.CreatedAt)), Host: "portico", Source: b.Stream.ID.String(), Sourcetype: sourcetype, Index: b.Stream.Settings.Index, Event: e,
		})...), '\n')
	}
	a, failed := s.post(ctx, address.String(), http.Header{"Content-Type": {"application/json"}, "Authorization": {"Splunk " + first(b.Secrets)}}, body)
	if failed != "" {
		return stream.Outcome{Error: failed}
	}
	o := a.outcome()
	var said splunkAnswer
	if json.Unmarshal(a.body, &said) != nil || o.Error == "" {
		return o
	}
	if text := splunkCodes[said.Code]; text != "" {
		o.Error = fmt.Sprintf("Splunk answered %d, code %d: %s", a.status, said.Code, text)
	}
	if n := said.Invalid; a.status == http.StatusBadRequest && n != nil && *n >= 0 && *n < len(b.Entries) {
		o.Accepted, o.Single = *n, true
	}
	return o
}

// seconds returns a time in seconds with microseconds.
func seconds(at time.Time) json.Number {
	return json.Number(fmt.Sprintf("%d.%06d", at.Unix(), at.Nanosecond()/1000))
}

// first returns the newest secret.
func first(secrets []string) string {
	if len(secrets) == 0 {
		return ""
	}
	return secrets[0]
}
