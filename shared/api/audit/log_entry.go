package audit

import (
	"encoding/hex"
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
)

// Get is GET /v1/audit-log/{id}.
var Get = edge.Read[auditEntryPath, auditEntryOutput]{
	Op: edge.Op{
		ID: "getAuditLogEntry", Method: http.MethodGet, Path: "/v1/audit-log/{id}", Function: "audit-log",
		Faults:     []*fault.Error{audit.ErrNotFound},
		Permission: auth.AuditLogRead, Cost: 1, Access: "audit_log.read", Tag: Tag, Summary: "Get an entry of the audit log with its place in the chain",
	},
	Handle: get,
}

type auditEntryPath struct {
	ID id.AuditEntry `path:"id" doc:"The entry's id." example:"aud_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type auditLinkBody struct {
	_            struct{} `nullable:"true"`
	Number       int64    `json:"number" doc:"The number of the entry in the chain, from 1 and without gaps." example:"1842"`
	Hash         string   `json:"hash" doc:"The hash of the entry, in hexadecimal digits." example:"5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"`
	HashBefore   string   `json:"hash_before" doc:"The hash of the entry with the number before; 64 zeros for the first one." example:"0000000000000000000000000000000000000000000000000000000000000000"`
	PersonalHash string   `json:"personal_hash" doc:"The salted hash of the actor's name, the address and the User-Agent." example:"33245ba4e4aab0605c59c8b48cc6373d1ed4ef933690e580f1d8feb3d58ba284"`
}

type auditEntryOutput struct {
	Body struct {
		AuditEntryBody
		Chain *auditLinkBody `json:"chain" doc:"The entry's place in the chain; null until it has one, within seconds after the change."`
	}
}

func get(c *edge.Call, in *auditEntryPath) (*auditEntryOutput, error) {
	entry, err := audit.Get(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	link, err := chain.Find(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	out := &auditEntryOutput{}
	out.Body.AuditEntryBody = showAuditEntry(entry)
	if link != nil {
		out.Body.Chain = &auditLinkBody{
			Number: link.Number, Hash: hex.EncodeToString(link.Hash[:]),
			HashBefore: hex.EncodeToString(link.Before[:]), PersonalHash: hex.EncodeToString(link.PersonalHash[:]),
		}
	}
	return out, nil
}
