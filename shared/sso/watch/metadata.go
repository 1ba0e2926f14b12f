package watch

import (
	"context"
	"errors"
	"time"

	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/saml"
	"portico/shared/sso"
)

// WatchMetadataName is the name of a daily job of each database.
const WatchMetadataName = "sso_connection.watch_metadata"

// place is where the metadata of a connection is.
type place struct {
	OrgID       id.Org
	ID          id.SSOConnection
	MetadataURL string
}

// WatchMetadata adds a job for each connection whose provider publishes its metadata.
func WatchMetadata() job.Kind[struct{}] {
	return job.Kind[struct{}]{
		Name: WatchMetadataName, Queue: job.Bulk, Platform: true,
		Work: job.Steps(func(ctx context.Context, tx pg.Tx, _ job.Job, _ struct{}, after id.SSOConnection) (next id.SSOConnection, more bool, err error) {
			list, err := pg.List[place](ctx, tx, "watch.WatchMetadata", `
				SELECT c.org_id, c.id, c.metadata_url FROM sso_connection c
				WHERE c.metadata_url <> '' AND c.id > $1 AND c.status <> 'disabled' AND `+livesHere+`
				ORDER BY c.id LIMIT $2`, [16]byte(after.UUID), watchAtOnce)
			for _, one := range list {
				if err == nil {
					next, err = one.ID, Read(ctx, tx, one.OrgID, one.ID, one.MetadataURL)
				}
			}
			return next, len(list) == watchAtOnce, err
		}),
	}
}

// Metadata is what a provider's metadata is read for.
type Metadata struct {
	Connection id.SSOConnection `json:"connection"`
	URL        string           `json:"url"` // as the connection has it; another one has a job of its own
}

// Read lets the metadata of a connection be read soon.
func Read(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection, url string) error {
	_, err := job.Add(ctx, tx, org, ReadMetadata(nil), Metadata{connection, url}, job.Options{Key: connection.String()})
	return err
}

// said is what a provider publishes, or why that cannot be used: a code in snake case, and
// the same for people.
type said struct {
	provider     saml.IdentityProvider
	code, detail string
}

// ReadMetadata reads the metadata of a connection and takes what it says: a new certificate,
// so that the provider can change its key, and that one is gone. A provider that calls itself
// otherwise, or has no valid certificate, is not taken: all stays as it was, and a trace and
// the connection say why. fetch reads what is at an address.
func ReadMetadata(fetch func(ctx context.Context, url string) ([]byte, error)) job.Kind[Metadata] {
	return job.Kind[Metadata]{
		Name: "sso_connection.read_metadata", Queue: job.Bulk, Unique: job.Replace, PerOrg: 2,
		Work: job.Call(func(ctx context.Context, _ job.Job, m Metadata) (s said, err error) {
			text, err := fetch(ctx, m.URL)
			if err != nil { // why is not told: it may be about our network
				return said{code: "metadata_away", detail: "The address of the metadata does not answer with a document (status 200, without redirects)."}, nil
			}
			s.provider, err = saml.ReadMetadata(text)
			var wrong *saml.Error
			if errors.As(err, &wrong) {
				return said{code: "metadata_" + string(wrong.Code), detail: wrong.Text}, nil
			}
			return s, err
		}, take),
	}
}

// take changes the connection as its provider's metadata says, if it still has the address.
func take(ctx context.Context, tx pg.Tx, j job.Job, m Metadata, s said) error {
	c, err := sso.Lock(ctx, tx, j.Org, m.Connection)
	switch {
	case errors.Is(err, sso.ErrNotFound):
		return nil
	case err != nil:
		return err
	case c.MetadataURL != m.URL:
		return nil
	}
	now, err := pg.Value[time.Time](ctx, tx, "watch.take", `SELECT portico_now()`)
	if err != nil {
		return err
	}
	after := c
	if s.code == "" {
		s.code, s.detail = after.Follow(s.provider, now)
	}
	if s.code != "" {
		if err := sso.NoteMetadata(ctx, tx, j.Org, c.ID, s.detail, now); err != nil {
			return err
		}
		return sso.AddTrace(ctx, tx, j.Org, c.ID, sso.Trace{Step: sso.Discover, Code: s.code, Detail: s.detail}, now)
	}
	if err := sso.NoteMetadata(ctx, tx, j.Org, c.ID, "", now); err != nil || after.SameProvider(c) {
		return err
	}
	if err := sso.SaveProvider(ctx, tx, j.Org, after, now); err != nil {
		return err
	}
	return audit.Insert(ctx, tx, j.Org, audit.Entry{
		Action: "sso_connection.update", Actor: audit.Actor{Type: auth.System, ID: "sso_metadata", Name: c.Name}, Targets: []audit.Target{audit.Of("sso_connection", c.ID)},
		Before: c.Fields(false), After: after.Fields(false), CreatedAt: now,
	})
}
