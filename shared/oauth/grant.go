package oauth

import (
	"fmt"
	"time"

	"portico/shared/dynamo"
	"portico/shared/id"
)

// Grant is what an app may do in one organization: in the name of a member who has let
// it in, or in its own.
type Grant struct {
	ID       id.OAuthGrant
	Client   id.OAuthClient
	Org      id.Org
	Member   id.Member // zero: the app acts for itself
	User     id.User   // who the member is
	Scopes   []string
	Resource string // the API that its tokens are for
	ProvedAt time.Time
	Methods  []string // with which the person has signed in, as RFC 8176 names them

	// What the code was asked for with.
	Redirect, Challenge, Nonce string

	CreatedAt time.Time
	EndsAt    time.Time
	// Generation counts the refresh tokens: 0: the code was not redeemed yet.
	Generation uint32
	RotatedAt  time.Time

	era       string // see Store.RevokeAll
	revokedAt time.Time
	why       Why
	seed      []byte
	forget    time.Time
}

// Tokens are what a grant gives to its app.
type Tokens struct {
	Access  string
	Refresh string // "": without the scope offline_access
	Life    time.Duration
	ID      string // "": without the scope openid
}

// tokens returns those of the present generation. They are always the same: whoever asks
// again within the grace gets them once more.
func (g Grant) tokens(now time.Time) Tokens {
	until := func(life time.Duration) time.Time {
		return earlier(g.RotatedAt.Add(life), g.EndsAt).Truncate(time.Second)
	}
	end := until(accessFor)
	t := Tokens{Access: g.token(access, end), Life: end.Sub(now.Truncate(time.Second))}
	if g.HasScope(OfflineAccess) {
		t.Refresh = g.token(refresh, until(refreshFor))
	}
	return t
}

func (g Grant) token(k kind, end time.Time) string {
	return token{kind: k, grant: g.ID, generation: g.Generation, end: end}.signed(g.seed).text()
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// check returns why the grant is none any more.
func (g Grant) check(now time.Time) error {
	switch {
	case !g.revokedAt.IsZero():
		return Revoked{g, g.why}
	case !now.Before(g.EndsAt):
		return errUngranted
	}
	return nil
}

func (s *Store) encode(g Grant) dynamo.Item {
	item := dynamo.Item{
		"client": dynamo.Text(g.Client.String()), "organization": dynamo.Text(g.Org.String()), "resource": dynamo.Text(g.Resource),
		"created": dynamo.Time(g.CreatedAt), "ends": dynamo.Time(g.EndsAt), "generation": dynamo.Number(int64(g.Generation)),
		"rotated": dynamo.Time(g.RotatedAt), "proved": dynamo.Time(g.ProvedAt), "expires_at": dynamo.Number(g.forget.Unix()),
		"seed": dynamo.Bytes(s.box.Seal(g.seed, sealedFor(g.ID))),
	}
	if len(g.Scopes) > 0 {
		item["scopes"] = dynamo.Texts(g.Scopes)
	}
	if len(g.Methods) > 0 {
		item["methods"] = dynamo.Texts(g.Methods)
	}
	texts := map[string]string{"redirect": g.Redirect, "challenge": g.Challenge, "nonce": g.Nonce, "era": g.era}
	if !g.Member.IsZero() {
		texts["member"], texts["user"] = g.Member.String(), g.User.String()
	}
	for name, text := range texts {
		if text != "" {
			item[name] = dynamo.Text(text)
		}
	}
	return item
}

func sealedFor(grant id.OAuthGrant) string { return "oauth_grant:" + grant.String() }

// decode reads a grant's item. Without one, and if DynamoDB may delete it already, the
// error is errUngranted.
func (s *Store) decode(grant id.OAuthGrant, item dynamo.Item, now time.Time) (g Grant, err error) {
	if len(item) == 0 {
		return g, errUngranted
	}
	g = Grant{
		ID: grant, Scopes: ordered(dynamo.TextsOf(item["scopes"])), Resource: dynamo.TextOf(item["resource"]),
		Redirect: dynamo.TextOf(item["redirect"]), Challenge: dynamo.TextOf(item["challenge"]), Nonce: dynamo.TextOf(item["nonce"]), why: Why(dynamo.TextOf(item["why"])),
		era: dynamo.TextOf(item["era"]), Methods: ordered(dynamo.TextsOf(item["methods"])),
	}
	wrong := func(err error) (Grant, error) { return Grant{}, fmt.Errorf("oauth: item of %s: %w", grant, err) }
	texts := map[string]interface{ UnmarshalText([]byte) error }{"client": &g.Client, "organization": &g.Org}
	if item["member"] != nil {
		texts["member"], texts["user"] = &g.Member, &g.User
	}
	for name, into := range texts {
		if err := into.UnmarshalText([]byte(dynamo.TextOf(item[name]))); err != nil {
			return wrong(err)
		}
	}
	times := map[string]*time.Time{"created": &g.CreatedAt, "ends": &g.EndsAt, "rotated": &g.RotatedAt, "proved": &g.ProvedAt, "revoked": &g.revokedAt}
	for name, at := range times {
		if *at, err = dynamo.TimeOf(item[name]); err != nil {
			return wrong(err)
		}
	}
	numbers := map[string]int64{}
	for _, name := range []string{"generation", "expires_at"} {
		if numbers[name], _, err = dynamo.NumberOf(item[name]); err != nil {
			return wrong(err)
		}
	}
	g.Generation, g.forget = uint32(numbers["generation"]), time.Unix(numbers["expires_at"], 0)
	if !now.Before(g.forget) {
		return Grant{}, errUngranted
	}
	if g.seed, err = s.box.Open(dynamo.BytesOf(item["seed"]), sealedFor(grant)); err != nil {
		return wrong(err)
	}
	return g, nil
}
