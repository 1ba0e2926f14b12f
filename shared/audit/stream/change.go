package stream

import (
	"context"
	"time"

	"portico/shared/egress"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

// Change names what to change; nil, or "" for Secret, leaves it as it is.
type Change struct {
	Name     *string
	Type     string // of the settings
	Settings func(Settings) Settings
	Filter   func(Filter) Filter
	Status   *string
	Secret   string // a token or API key
}

// Update changes the organization's stream and returns it as it was and as it is. After
// a change the next try is made at once: the audit entry about the change wakes the
// stream, see Wake.
func Update(ctx context.Context, tx pg.Tx, org id.Org, stream id.AuditStream, c Change, now time.Time, box *secret.Box) (before, after Stream, err error) {
	before, err = lock(ctx, tx, org, stream)
	if err != nil {
		return before, after, err
	}
	after = before
	after.Revision, after.UpdatedAt, after.NextTryAt, after.Failures = before.Revision+1, now, nil, 0
	if c.Name != nil {
		after.Name = *c.Name
	}
	if c.Filter != nil {
		after.Filter = c.Filter(before.Filter)
	}
	if c.Settings != nil {
		if c.Type != before.Type {
			return before, after, fault.InvalidField(c.Type, "belongs to another type: this stream has the type "+before.Type+", which cannot be changed")
		}
		after.Settings = c.Settings(before.Settings)
	}
	if c.Status != nil && *c.Status != before.Status {
		after.pause(*c.Status, Requested, now)
	}
	if err := checkSecret(before, after, c.Secret); err != nil {
		return before, after, err
	}
	if c.Secret != "" {
		if err := setSecret(ctx, tx, org, stream, c.Secret, box); err != nil {
			return before, after, err
		}
	}
	return before, after, after.save(ctx, tx, org)
}

// pause sets the status, and for a pause its reason.
func (s *Stream) pause(status, reason string, now time.Time) {
	s.Status, s.PauseReason, s.PausedAt = status, nil, nil
	if status == Paused {
		s.PauseReason, s.PausedAt = &reason, &now
	}
}

// checkSecret refuses to send the token of one server to another one: otherwise a
// person who may change the address could read it at a server of their own.
func checkSecret(before, after Stream, renewed string) error {
	field, moved := "", false
	switch before.Type {
	case SplunkHEC:
		field, moved = SplunkHEC+".token", egress.Origin(before.Settings.URL) != egress.Origin(after.Settings.URL)
	case Datadog:
		field, moved = Datadog+".api_key", before.Settings.Site != after.Settings.Site
	}
	if moved && renewed == "" {
		return fault.InvalidField(field, "must be sent again: what was set for the old address is not sent to another one")
	}
	return nil
}

func setSecret(ctx context.Context, tx pg.Tx, org id.Org, stream id.AuditStream, plain string, box *secret.Box) error {
	return pg.Exec(ctx, tx, "stream.setSecret", `
		UPDATE audit_stream SET sealed_secret = $3 WHERE org_id = $1 AND id = $2`, org, stream, seal(box, org, stream, plain))
}

// RotateSecret gives a stream of the type https a new signing secret. The previous one
// still signs for the overlap; an older one ends at once.
func RotateSecret(ctx context.Context, tx pg.Tx, org id.Org, stream id.AuditStream, plain string, overlap time.Duration, now time.Time, box *secret.Box) (Stream, error) {
	found, err := lock(ctx, tx, org, stream)
	if err != nil {
		return found, err
	}
	if found.Type != HTTPS {
		return found, ErrNoSigningSecret
	}
	return pg.One[Stream](ctx, tx, "stream.RotateSecret", ErrNotFound, `
		UPDATE audit_stream s SET old_sealed_secret = sealed_secret, old_secret_expires_at = portico_now() + $4::interval, sealed_secret = $3,
			revision = revision + 1, updated_at = $5
		WHERE s.org_id = $1 AND s.id = $2 RETURNING `+columns, org, stream, seal(box, org, stream, plain), overlap, now)
}

// Test makes a stream send a test entry, also if it is paused. The audit entry about the
// request wakes it.
func Test(ctx context.Context, tx pg.Tx, org id.Org, stream id.AuditStream, now time.Time) (Stream, error) {
	s, err := lock(ctx, tx, org, stream)
	if err != nil {
		return s, err
	}
	s.TestID = id.New[id.AuditEntry](now)
	return s, s.save(ctx, tx, org)
}
