package session

import (
	"fmt"
	"time"

	"portico/shared/dynamo"
	"portico/shared/id"
)

// keyPrefix begins the key of a session within the partition of its person; the hash
// of its cookie follows.
const keyPrefix = "session#"

// encode returns the attributes of a session's item. Times are milliseconds, but
// expires_at, which DynamoDB reads, is seconds.
func encode(s Session) dynamo.Item {
	item := dynamo.Item{
		"id": dynamo.Text(s.ID.String()), "host": dynamo.Text(s.Host),
		"created": dynamo.Time(s.CreatedAt), "signed_in": dynamo.Time(s.SignedInAt), "proved": dynamo.Time(s.ProvedAt),
		"seen": dynamo.Time(s.SeenAt), "ends": dynamo.Time(s.EndsAt), "expires_at": dynamo.Number(s.forget.Unix()),
	}
	if !s.Org.IsZero() {
		item["organization"] = dynamo.Text(s.Org.String())
	}
	if !s.Parent.IsZero() {
		item["parent"] = dynamo.Text(s.Parent.String())
	}
	if len(s.Factors) > 0 {
		item["factors"] = dynamo.Texts(s.Factors)
	}
	for name, text := range map[string]string{"connection": s.Connection, "device": s.Device, "ip": s.IP} {
		if text != "" {
			item[name] = dynamo.Text(text)
		}
	}
	return item
}

// decode reads the item of a person's session. Without an item, and if DynamoDB may
// delete it already, it returns ErrNone.
func decode(user id.User, item dynamo.Item, now time.Time) (s Session, err error) {
	if len(item) == 0 {
		return s, ErrNone
	}
	s = Session{
		User: user, key: dynamo.TextOf(item["sk"]), Host: dynamo.TextOf(item["host"]), Factors: dynamo.TextsOf(item["factors"]), Connection: dynamo.TextOf(item["connection"]),
		Device: dynamo.TextOf(item["device"]), IP: dynamo.TextOf(item["ip"]), why: Why(dynamo.TextOf(item["ended_why"])),
	}
	wrong := func(err error) (Session, error) { return Session{}, fmt.Errorf("session: item of %s: %w", user, err) }
	if s.ID, err = id.Parse[id.Session](dynamo.TextOf(item["id"])); err != nil {
		return wrong(err)
	}
	if org := dynamo.TextOf(item["organization"]); org != "" {
		if s.Org, err = id.Parse[id.Org](org); err != nil {
			return wrong(err)
		}
	}
	if parent := dynamo.TextOf(item["parent"]); parent != "" {
		if s.Parent, err = id.Parse[id.Session](parent); err != nil {
			return wrong(err)
		}
	}
	for name, at := range map[string]*time.Time{"created": &s.CreatedAt, "signed_in": &s.SignedInAt, "proved": &s.ProvedAt, "seen": &s.SeenAt, "ends": &s.EndsAt, "ended": &s.endedAt} {
		if *at, err = dynamo.TimeOf(item[name]); err != nil {
			return wrong(err)
		}
	}
	seconds, _, err := dynamo.NumberOf(item["expires_at"])
	if err != nil {
		return wrong(err)
	}
	if s.forget = time.Unix(seconds, 0).UTC(); !now.Before(s.forget) {
		return Session{}, ErrNone
	}
	return s, nil
}
