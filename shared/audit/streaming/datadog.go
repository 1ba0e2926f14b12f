package streaming

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"portico/shared/audit"
	"portico/shared/audit/stream"
)

// datadogPath is the path of the intake for logs.
const datadogPath = "/api/v2/logs"

// tooOld is the age from which on an entry gets no time of its own: Datadog drops logs
// whose time is more than 18 hours ago. The time is in the entry all the same.
const tooOld = 17 * time.Hour

// datadogLog is a log as the intake reads it. Message is what its list shows.
type datadogLog struct {
	Source    string       `json:"ddsource"`
	Service   string       `json:"service"`
	Hostname  string       `json:"hostname"`
	Tags      string       `json:"ddtags"`
	Status    string       `json:"status"`
	Message   string       `json:"message"`
	Timestamp *int64       `json:"timestamp,omitempty"` // in milliseconds
	Audit     stream.Entry `json:"audit"`
}

func (s *Sender) sendDatadog(ctx context.Context, b stream.Batch) stream.Outcome {
	logs := make([]datadogLog, len(b.Entries))
	for i, e := range b.Entries {
		logs[i] = s.datadogLog(b, e)
	}
	address := cmp.Or(s.vendors.Datadog, "https://http-intake.logs."+b.Stream.Settings.Site) + datadogPath
	a, failed := s.post(ctx, address, http.Header{"Content-Type": {"application/json"}, "Dd-Api-Key": {first(b.Secrets)}}, encode(logs))
	if failed != "" {
		return stream.Outcome{Error: failed}
	}
	return a.outcome()
}

func (s *Sender) datadogLog(b stream.Batch, e stream.Entry) datadogLog {
	l := datadogLog{
		Source: "portico", Service: "audit-log", Hostname: "portico", Tags: "stream:" + b.Stream.ID.String() + ",category:" + string(e.Category),
		Status: "info", Message: fmt.Sprintf("%s by %s %s: %s", e.Action, e.Actor.Type, e.Actor.ID, e.Outcome), Audit: e,
	}
	if e.Outcome == audit.Failure {
		l.Status = "warn"
	}
	if at := time.Time(e.CreatedAt); s.clock.Now().Sub(at) < tooOld {
		l.Timestamp = new(at.UnixMilli())
	}
	return l
}
