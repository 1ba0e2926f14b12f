package lambdahost

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/audit/anchor"
	"portico/shared/dynamo"
	"portico/shared/oauth"
	"portico/shared/pg"
	"portico/shared/secret"
)

// IdentityEnv names the table of sessions.
type IdentityEnv struct {
	Table string `env:"IDENTITY_TABLE,required,notEmpty"`
}

// SessionIdle is how long a session lives without being used.
const SessionIdle = 2 * time.Hour

// IdentityTable returns the table of sessions and grants.
func (h *Host) IdentityTable(e IdentityEnv) dynamo.Sorted {
	return dynamo.NewSorted(dynamodb.NewFromConfig(h.AWS), e.Table, "pk", "sk")
}

// AppsEnv says where the grants of apps are.
type AppsEnv struct {
	Table string `env:"IDENTITY_TABLE,required,notEmpty"`
	// Public is the address of the site, which access tokens are for; "": none is accepted.
	Public string `env:"PAGES_URL"`
}

// Apps returns the callers with access tokens.
func (h *Host) Apps(e AppsEnv, db *pg.DB, box *secret.Box) *oauth.Apps {
	table := h.IdentityTable(IdentityEnv{e.Table})
	return &oauth.Apps{Grants: oauth.NewStore(table, box, h.Clock), Clients: oauth.NewClients(db, h.Clock), Resource: e.Public}
}

// AnchorEnv names the table with the ends of the archived audit logs.
type AnchorEnv struct {
	Table string `env:"ANCHOR_TABLE,required,notEmpty"`
}

// Anchors returns the ends of the archived audit logs.
func (h *Host) Anchors(e AnchorEnv) anchor.Table {
	return anchor.NewTable(dynamodb.NewFromConfig(h.AWS), e.Table)
}

// ExportEnv names the bucket with exports of audit logs.
type ExportEnv struct {
	Bucket string `env:"EXPORT_BUCKET,required,notEmpty"`
}
