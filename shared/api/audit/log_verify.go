package audit

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit/anchor"
	"portico/shared/audit/chain"
	"portico/shared/audit/record"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// Verify is GET /v1/audit-log/verify.
var Verify = edge.Read[verifyAuditLogInput, verifyAuditLogOutput]{
	Op: edge.Op{
		ID: "verifyAuditLog", Method: http.MethodGet, Path: "/v1/audit-log/verify", Function: "audit-log",
		Permission: auth.AuditLogRead, Cost: 20, Access: edge.NoRecords, Tag: Tag, Summary: "Verify that the audit log was not forged",
		Description: "#verifyAuditLog",
	},
	Handle: verify,
}

type verifyAuditLogInput struct {
	From int64 `query:"from" default:"1" minimum:"1" doc:"The number of the first entry to verify." example:"1"`
	To   int64 `query:"to" minimum:"1" doc:"The number of the last entry to verify; the last entry of the chain if you do not say." example:"1000"`
}

type auditHeadBody struct {
	Number int64  `json:"number" doc:"The number of the last entry of the chain; 0 if it is empty." example:"1842"`
	Hash   string `json:"hash" doc:"The hash of the last entry, in hexadecimal digits. Keep it elsewhere, with its number." example:"5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"`
}

type auditFaultBody struct {
	_       struct{}       `nullable:"true"`
	Kind    record.Kind    `json:"kind" enum:"edited,deleted,inserted,reordered,head,cut,replaced" doc:"#AuditFault.kind" example:"edited"`
	Number  *int64         `json:"number" doc:"The number in the chain; null for an entry that has none." example:"5"`
	EntryID *id.AuditEntry `json:"entry_id" doc:"The entry; null if it is not known which." example:"aud_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

// The results of comparing a chain with its archive.
const (
	archiveMatches     = "matches"
	archiveDiffers     = "differs"
	archiveUnavailable = "unavailable"
)

type auditArchiveBody struct {
	Status string  `json:"status" enum:"matches,differs,unavailable" doc:"Whether the chain has the last archived entry. unavailable: the archive cannot be asked now." example:"matches"`
	Number *int64  `json:"number" doc:"The number of the last archived entry; 0 if there is none, null if it cannot be read." example:"1800"`
	Hash   *string `json:"hash" doc:"The hash of the last archived entry, in hexadecimal digits; null if it cannot be read." example:"9b02c1a6a7b1f4f2ff6ef3fb1a6bd0b07d6d1c8f1d2c6c66a4b04b7a0f2a8a11"`
}

// archiveWithin is how long a reply waits for DynamoDB.
const archiveWithin = 2 * time.Second

type verifyAuditLogOutput struct {
	Body struct {
		Head     auditHeadBody    `json:"head" doc:"The end of the chain."`
		First    int64            `json:"first" doc:"The number of the first entry that is kept. Those before it were older than audit_retention_days." example:"1"`
		From     int64            `json:"from" doc:"The number of the first entry that was looked at." example:"1"`
		To       int64            `json:"to" doc:"The number of the last entry that was looked at." example:"1000"`
		Verified int64            `json:"verified" doc:"How many entries are as they were chained." example:"1000"`
		Erased   int64            `json:"erased" doc:"Of how many of these the personal fields were erased." example:"0"`
		Next     *int64           `json:"next" doc:"The number from which to verify next; null if this was the last part, or if there is a fault." example:"1001"`
		Archive  auditArchiveBody `json:"archive" doc:"The chain compared with its archive."`
		Fault    *auditFaultBody  `json:"fault" doc:"The first fault; null if there is none."`
	}
}

// Resolve hands the input to the frame.
func (in *verifyAuditLogInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *verifyAuditLogInput) Check(*edge.Call) error {
	if in.To > 0 && in.From > in.To {
		return fault.InvalidField("query.from", "must not be after query.to")
	}
	return nil
}

// checkEnd refuses numbers that the chain does not have. From 1 on an empty one may be
// verified, too.
func (in *verifyAuditLogInput) checkEnd(end int64) error {
	message := fmt.Sprintf("must not be after %d, the number of the last entry", end)
	switch {
	case in.From > max(end, 1):
		return fault.InvalidField("query.from", message)
	case in.To > max(end, 1):
		return fault.InvalidField("query.to", message)
	}
	return nil
}

// archiveEnd reads the end of the archive. That DynamoDB is away is no error of the call:
// the reply says that nothing was compared.
func archiveEnd(c *edge.Call) (chain.Head, error) {
	ctx, cancel := context.WithTimeout(c, archiveWithin)
	defer cancel()
	return c.Anchors.Read(ctx, anchor.Log{Org: c.Org, Database: pg.Home})
}

// compare notes whether the chain has the last archived entry. A fault that was found in
// the chain says more.
func compare(c *edge.Call, v *chain.Verification, archived chain.Head, b *auditArchiveBody) error {
	differs, err := chain.Compare(c, c.Tx, c.Org, v.Head, archived)
	if differs == nil {
		return err
	}
	b.Status = archiveDiffers
	if v.Fault == nil {
		v.Fault = differs
	}
	return nil
}

func verify(c *edge.Call, in *verifyAuditLogInput) (*verifyAuditLogOutput, error) {
	to := in.To
	if to == 0 {
		to = math.MaxInt64
	}
	archived, away := archiveEnd(c) // before anything is read: the archive grows
	v, err := chain.Verify(c, c.Tx, c.Org, in.From, to)
	if err == nil {
		err = in.checkEnd(v.End)
	}
	if err != nil {
		return nil, err
	}
	out := &verifyAuditLogOutput{}
	b := &out.Body
	b.Archive = auditArchiveBody{Status: archiveUnavailable}
	if away == nil {
		b.Archive = auditArchiveBody{Status: archiveMatches, Number: &archived.Number, Hash: new(hex.EncodeToString(archived.Hash[:]))}
		if err := compare(c, &v, archived, &b.Archive); err != nil {
			return nil, err
		}
	}
	b.Head = auditHeadBody{Number: v.Head.Number, Hash: hex.EncodeToString(v.Head.Hash[:])}
	b.First, b.From, b.To, b.Verified, b.Erased = v.First, v.From, v.To, v.Verified, v.Erased
	switch {
	case v.Fault != nil:
		b.Fault = &auditFaultBody{Kind: v.Fault.Kind}
		if v.Fault.Number > 0 {
			b.Fault.Number = &v.Fault.Number
		}
		if !v.Fault.Entry.IsZero() {
			b.Fault.EntryID = &v.Fault.Entry
		}
	case v.To < min(to, v.End):
		b.Next = new(v.To + 1)
	}
	return out, nil
}
