package streaming

import (
	"context"
	"net/http"

	"portico/shared/audit/stream"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/webhook/signing"
)

// httpsBody is what a server of the customer gets, in the form of Standard Webhooks.
type httpsBody struct {
	Type      string      `json:"type"`
	Timestamp clock.Stamp `json:"timestamp"` // of the last entry, so that a repetition has the same bytes
	Data      httpsData   `json:"data"`
}

type httpsData struct {
	StreamID id.AuditStream `json:"stream_id"`
	Part     stream.Part    `json:"part"`
	Entries  []stream.Entry `json:"entries"`
}

func (s *Sender) sendHTTPS(ctx context.Context, b stream.Batch) stream.Outcome {
	body := encode(httpsBody{
		Type: "audit_log.entries", Timestamp: b.Entries[len(b.Entries)-1].CreatedAt,
		Data: httpsData{StreamID: b.Stream.ID, Part: b.Part, Entries: b.Entries},
	})
	header := http.Header{"Content-Type": {"application/json"}}
	signer := signing.Signer{Scheme: signing.SchemeStandard, Secrets: b.Secrets}
	if err := signer.SetHeaders(header, b.ID(), s.clock.Now(), body); err != nil {
		return stream.Outcome{Error: "the request could not be signed: rotate the secret"}
	}
	a, failed := s.post(ctx, b.Stream.Settings.URL, header, body)
	if failed != "" {
		return stream.Outcome{Error: failed}
	}
	return a.outcome()
}
