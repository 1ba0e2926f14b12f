package restore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"portico/shared/audit/anchor"
	"portico/shared/id"
)

// Command says what to restore: the log of an organization, the platform's log of a
// database, or all logs of a database.
type Command struct {
	OrganizationID string `json:"organization_id"`
	Platform       string `json:"platform"`
	Database       string `json:"database"`
	From           int64  `json:"from"` // see Restorer.Log
}

// Run does what a command says.
func (r *Restorer) Run(ctx context.Context, payload json.RawMessage) ([]Restored, error) {
	var in Command
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return nil, fmt.Errorf(`the payload is not JSON such as {"organization_id":"org_…"}, {"platform":"home"} or {"database":"home"}: %w`, err)
	}
	switch {
	case in.From < 0:
		return nil, errors.New("from: must be a number of an entry")
	case in.Database != "" && in.OrganizationID == "" && in.Platform == "" && in.From == 0:
		return r.Database(ctx, in.Database)
	case in.Database != "" || (in.OrganizationID == "") == (in.Platform == ""):
		return nil, errors.New("name one of organization_id, platform and database; only the first two may have a from")
	}
	log := anchor.Log{Database: in.Platform}
	if in.OrganizationID != "" {
		own, err := id.Parse[id.Org](in.OrganizationID)
		if err != nil {
			return nil, fmt.Errorf("organization_id: %w", err)
		}
		log.Org = own
	}
	done, err := r.Log(ctx, log, in.From)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", log, err)
	}
	return []Restored{done}, nil
}
