package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/secret"
)

// handOffLife is how long a code between two hosts works.
const handOffLife = time.Minute

// HandOff is what one host tells another about a person who has signed in: enough for a
// session of one organization at that host.
type HandOff struct {
	User       id.User
	Org        id.Org
	Host       string // where the session is to be
	Version    int64  // of the person's credentials
	Factors    []string
	Connection string
	// Those of the session that hands over.
	Session                         id.Session
	CreatedAt, SignedInAt, ProvedAt time.Time
}

// HandOver stores a hand-off and returns its code, which works once. state is the hash
// of the cookie with which the other host has sent the browser: no other browser can use
// the code.
func (s *Store) HandOver(ctx context.Context, h HandOff, state string) (secret.Token, error) {
	token := secret.NewToken()
	content, err := json.Marshal(h)
	if err != nil {
		return secret.Token{}, fmt.Errorf("signin.HandOver: %w", err)
	}
	err = s.place("handoff", token.Hash()).put(ctx, dynamo.Item{
		"content": dynamo.Text(string(content)), "host": dynamo.Text(h.Host), "state": dynamo.Text(state),
	}, s.now().Add(handOffLife))
	if err != nil {
		return secret.Token{}, fmt.Errorf("signin.HandOver: %w", err)
	}
	return token, nil
}

// TakeOver uses up a code at a host, for the browser with a state cookie. Of several at
// once one succeeds. It returns ErrElsewhere at another host or in another browser, ErrUsed
// and ErrNone.
func (s *Store) TakeOver(ctx context.Context, code, state secret.Token, host string) (h HandOff, err error) {
	now, hash := s.now(), state.Hash()
	item, done, err := s.place("handoff", code.Hash()).change(ctx, dynamo.Write{
		Update: "SET used = :now", If: "attribute_not_exists(used) AND #host = :host AND #state = :state",
		Names:  map[string]string{"#host": "host", "#state": "state"},
		Values: dynamo.Item{":host": dynamo.Text(host), ":state": dynamo.Text(hash)},
	}, now)
	if err != nil {
		return HandOff{}, fmt.Errorf("signin.TakeOver: %w", err)
	}
	ends, err := dynamo.TimeOf(item["ends"])
	switch {
	case err != nil:
		return HandOff{}, fmt.Errorf("signin.TakeOver: %w", err)
	case done:
		err = json.Unmarshal([]byte(dynamo.TextOf(item["content"])), &h)
		return h, err
	case len(item) == 0 || !now.Before(ends):
		return HandOff{}, ErrNone
	case item["used"] != nil:
		return HandOff{}, ErrUsed
	}
	return HandOff{}, ErrElsewhere
}
