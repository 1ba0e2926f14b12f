package webhook

import (
	"bytes"
	"cmp"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
)

// Lane names an endpoint as the lane of its deliveries.
type Lane struct {
	OrgID      id.Org
	EndpointID id.WebhookEndpoint
}

// Org is the organization of the endpoint.
func (l Lane) Org() id.Org { return l.OrgID }

// Compare orders lanes as Postgres does.
func (l Lane) Compare(other Lane) int {
	return cmp.Or(bytes.Compare(l.OrgID.UUID[:], other.OrgID.UUID[:]), bytes.Compare(l.EndpointID.UUID[:], other.EndpointID.UUID[:]))
}

// ScanRow reads org_id and endpoint_id.
func (l *Lane) ScanRow(row pgx.Rows) error { return row.Scan(&l.OrgID, &l.EndpointID) }
