package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"portico/shared/apikey"
	"portico/shared/clock"
	"portico/shared/domain"
	"portico/shared/id"
	"portico/shared/name"
	"portico/shared/pg"
)

// StaffKeyOrder asks for a staff key, or for the end of one.
type StaffKeyOrder struct {
	Name   string     `json:"staff_key_name"` // whose it is
	Ends   *time.Time `json:"expires_at"`     // null: not by itself
	Revoke string     `json:"revoke_staff_key"`
	Delete string     `json:"delete_organization"` // its id
}

// StaffKeyMade is the reply; the key's plain text exists nowhere else.
type StaffKeyMade struct {
	StaffKeyID string `json:"staff_key_id"`
	StaffKey   string `json:"staff_key,omitempty"`
}

// Begin does what cannot be done through the API, because nobody may yet: it
// makes an organization with its first key, or makes or revokes a staff key.
func Begin(ctx context.Context, db *pg.DB, keys *apikey.Projection, hosts *domain.Hosts, clock *clock.Clock, payload json.RawMessage) (any, error) {
	var order StaffKeyOrder
	if err := json.Unmarshal(payload, &order); err != nil {
		return nil, fmt.Errorf("the payload is not JSON such as {\"organization\":\"Acme\"}: %w", err)
	}
	switch {
	case order.Delete != "":
		return Deleter{DB: db, Keys: keys, Hosts: hosts, Clock: clock}.Delete(ctx, order.Delete)
	case order.Revoke != "":
		key, err := id.Parse[id.StaffKey](order.Revoke)
		if err != nil {
			return nil, fmt.Errorf("revoke_staff_key: %w", err)
		}
		return StaffKeyMade{StaffKeyID: key.String()}, keys.RevokeStaff(ctx, key)
	case order.Name != "":
		return makeStaffKey(ctx, db, keys, clock.Now(), order)
	}
	return Bootstrap(ctx, db, keys, clock, payload)
}

func makeStaffKey(ctx context.Context, db *pg.DB, keys *apikey.Projection, now time.Time, order StaffKeyOrder) (made StaffKeyMade, err error) {
	if len(order.Name) > 200 {
		return made, errors.New("staff_key_name has more than 200 characters")
	}
	if err := name.Check(order.Name); err != nil {
		return made, fmt.Errorf("staff_key_name %w", err)
	}
	k := apikey.StaffKey{ID: id.New[id.StaffKey](now), Name: order.Name, CreatedAt: now}
	if order.Ends != nil {
		end := order.Ends.UTC().Truncate(time.Second)
		if !end.After(now) {
			return made, errors.New("expires_at must lie in the future")
		}
		k.ExpiresAt = &end
	}
	plain := apikey.Generate()
	hash, err := apikey.Parse(plain)
	if err != nil {
		return made, err
	}
	if err := apikey.InsertStaff(ctx, db.Shared(), k, hash); err != nil {
		return made, err
	}
	// If projecting fails, the key's first use does it.
	_ = keys.ProjectStaff(ctx, k, hash)
	return StaffKeyMade{StaffKeyID: k.ID.String(), StaffKey: plain}, nil
}
