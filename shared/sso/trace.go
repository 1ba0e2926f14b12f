package sso

import (
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// Trace says how a login by a connection has gone that let nobody in.
type Trace struct {
	ID     id.SSOTrace
	Step   string // how far it came, see the steps
	Code   string // why it failed, in snake case; OK: it did not
	Detail string // the same for people
	// Claims is what the provider has said, see Claims.
	Claims    map[string]string
	Test      bool // it was a test, which lets nobody in
	CreatedAt time.Time
}

// The steps of a login, in their order.
const (
	Discover = "discover" // what the issuer publishes
	Callback = "callback" // what the browser came back with
	Verify   = "verify"   // the ID token, or the SAML assertion
	Admit    = "admit"    // whether the person may enter
)

// OK is the code of a test that would have let the person in.
const OK = "ok"

const (
	maxTraces = 1_000 // of a connection; the oldest go
	maxDetail = 500   // characters
	maxClaims = 30
	maxClaim  = 200 // characters
)

// shown are the claims whose values a trace keeps: they identify nobody. Of all others it
// says only that they were there; of an address it keeps the domain.
var shown = map[string]bool{
	"iss": true, "aud": true, "azp": true, "iat": true, "exp": true, "nbf": true, "email_verified": true, "hd": true, "alg": true, "error": true,
	"issuer": true, "audience": true, "destination": true, "recipient": true, "not_before": true, "not_on_or_after": true,
	"name_id_format": true, "status": true, "signature_method": true, "digest_method": true,
}

// Redact returns what a trace keeps of what a provider has said.
func Redact(said map[string]string) map[string]string {
	kept := map[string]string{}
	for name, value := range said {
		switch {
		case len(kept) == maxClaims:
			return kept
		case shown[name]:
			value = clip(value, maxClaim)
		case strings.Contains(value, "@"):
			value = "…@" + clip(DomainOf(value), maxClaim)
		default:
			value = "…"
		}
		kept[clip(name, maxClaim)] = value
	}
	return kept
}

// clip returns the beginning of a text that somebody else has written, as Postgres takes it.
func clip(text string, most int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
	for utf8.RuneCountInString(text) > most {
		_, last := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-last]
	}
	return text
}

// AddTrace writes a trace of the organization's connection, which gets an id unless it has
// one. Claims are redacted here. If
// the connection has too many, the oldest go. One that was deleted meanwhile gets none.
func AddTrace(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection, t Trace, now time.Time) error {
	claims, err := json.Marshal(Redact(t.Claims))
	if err != nil {
		return err
	}
	if t.ID.IsZero() {
		t.ID = id.New[id.SSOTrace](now)
	}
	return pg.Exec(ctx, tx, "sso.AddTrace", `
		WITH gone AS (
			DELETE FROM sso_trace WHERE org_id = $1 AND id IN (
				SELECT id FROM sso_trace WHERE org_id = $1 AND connection_id = $3 ORDER BY id DESC OFFSET $9 LIMIT 100)
		)
		INSERT INTO sso_trace (org_id, id, connection_id, step, code, detail, claims, test, created_at)
		SELECT org_id, $2, id, $4, $5, $6, $7, $8, $10 FROM sso_connection WHERE org_id = $1 AND id = $3`,
		org, t.ID, connection, t.Step, t.Code, clip(t.Detail, maxDetail), claims, t.Test, maxTraces-1, now)
}

// ScanRow reads the columns of ListTraces.
func (t *Trace) ScanRow(row pgx.Rows) error {
	var claims []byte
	if err := row.Scan(&t.ID, &t.Step, &t.Code, &t.Detail, &claims, &t.Test, &t.CreatedAt); err != nil {
		return err
	}
	return json.Unmarshal(claims, &t.Claims)
}

// ListTraces returns up to limit traces of a connection older than after, newest first.
func ListTraces(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection, after id.SSOTrace, limit int) ([]Trace, error) {
	return pg.List[Trace](ctx, tx, "sso.ListTraces", `
		SELECT id, step, code, detail, claims, test, created_at FROM sso_trace
		WHERE org_id = $1 AND connection_id = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`, org, connection, after, limit)
}

// keepTraces is how long traces are kept.
const keepTraces = 30 * 24 * time.Hour

// ForgetTraces deletes up to limit traces that are older than 30 days, and returns how
// many.
func ForgetTraces(ctx context.Context, db *pg.Worker, limit int) (int64, error) {
	return pg.Affect(ctx, db, "sso.ForgetTraces", `
		DELETE FROM sso_trace WHERE (org_id, id) IN (
			SELECT org_id, id FROM sso_trace WHERE created_at < portico_now() - $1::interval LIMIT $2)`, keepTraces, limit)
}
