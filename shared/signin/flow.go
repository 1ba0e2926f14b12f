package signin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/secret"
)

const (
	// FlowFor is how long an attempt may take, and FlowCookie has its secret.
	FlowCookie = "portico-flow"
	FlowFor    = 10 * time.Minute
	// mostFailures is how often a proof may fail in one attempt.
	mostFailures = 10
)

// State is where an attempt is.
type State string

// The states. From each an attempt may become Dead.
const (
	Started    State = "started"    // to prove: anybody
	Identified State = "identified" // to prove: whose address was given
	Proved     State = "proved"     // a factor
	Second     State = "second"     // a second factor is demanded
	Enrol      State = "enrol"      // a second factor must be set up first
	Entered    State = "entered"    // it has led to a session
	Dead       State = "dead"
)

// Flow is one browser's attempt to sign in. It is found only by the value of the
// cookie `__Host-portico-flow`, and gives its browser nothing but the next step.
type Flow struct {
	Host       string
	To         string // where the person goes afterwards
	Email      string // as given; "": none
	User       id.User
	Version    int64 // of the credentials that were proved
	Connection string
	Factors    []Method
	ProvedAt   time.Time // the last proof
	State      State
	EndsAt     time.Time
	// Asked is what a provider was asked for, and has answered, as shared/account writes it;
	// "": nothing.
	Asked string

	failures int64
	rev      int64    // grows with every step
	link     string   // the hash of the link that was mailed last
	hash     string   // of the cookie
	counted  bool     // this request has been counted as a failure by Try
	account  string   // of which Fail has counted it, too; "": of none
	whose    id.User  // whose count that is; zero: nobody's
	others   []string // accounts to forgive, too, when the person enters
}

// ID names the attempt, for what is sealed for it alone.
func (f Flow) ID() string { return f.hash }

// Begin begins an attempt. With an address it is identified at once; User is then
// whose address that is, zero for nobody's.
func (s *Store) Begin(ctx context.Context, f Flow) (Flow, secret.Token, error) {
	token := secret.NewToken()
	f.hash, f.State, f.EndsAt = token.Hash(), Started, s.now().Add(FlowFor)
	if f.Email != "" {
		f.State = Identified
	}
	err := s.place("flow", f.hash).put(ctx, dynamo.Item{
		"state": dynamo.Text(string(f.State)), "rev": dynamo.Number(0), "failures": dynamo.Number(0),
		"host": dynamo.Text(f.Host), "to": dynamo.Text(f.To), "email": dynamo.Text(f.Email), "user": userText(f.User), "asked": dynamo.Text(f.Asked),
	}, f.EndsAt)
	if err != nil {
		return Flow{}, secret.Token{}, fmt.Errorf("signin.Begin: %w", err)
	}
	return f, token, nil
}

// Find returns the attempt of a cookie at a host, or ErrOver.
func (s *Store) Find(ctx context.Context, token secret.Token, host string) (Flow, error) {
	return s.find(ctx, token.Hash(), host)
}

// Named returns the attempt with an ID at a host, or ErrOver. The ID has gone to another
// site and come back with whatever browser, so nothing may be given to this browser.
func (s *Store) Named(ctx context.Context, name, host string) (Flow, error) {
	if _, err := secret.ParseToken(name); err != nil { // a hash is as long as a token
		return Flow{}, ErrOver
	}
	return s.find(ctx, name, host)
}

func (s *Store) find(ctx context.Context, hash, host string) (Flow, error) {
	item, err := s.place("flow", hash).get(ctx)
	if err != nil {
		return Flow{}, fmt.Errorf("signin.Find: %w", err)
	}
	f, err := decodeFlow(hash, item)
	switch {
	case err != nil:
		return Flow{}, fmt.Errorf("signin.Find: %w", err)
	case f.over(s.now()) || f.failures >= mostFailures || f.Host != host:
		return Flow{}, ErrOver
	}
	return f, nil
}

// Mailed reports whether a link to sign in was mailed for the attempt.
func (f Flow) Mailed() bool { return f.link != "" }

// over reports whether no step can follow.
func (f Flow) over(now time.Time) bool {
	return f.State == "" || f.State == Dead || f.State == Entered || !now.Before(f.EndsAt)
}

// step changes an attempt if nobody has changed it since it was read. Of several
// requests at once one wins.
func (s *Store) step(ctx context.Context, f Flow, from []State, to State, also dynamo.Item) (Flow, error) {
	if !slices.Contains(from, f.State) {
		return Flow{}, ErrStep
	}
	back := int64(0)
	if f.counted && to != Dead {
		back = 1
	}
	w := dynamo.Write{
		Update: "SET #state = :state, rev = rev + :one, failures = failures - :back", If: "rev = :rev",
		Names:  map[string]string{"#state": "state"},
		Values: dynamo.Item{":state": dynamo.Text(string(to)), ":one": dynamo.Number(1), ":back": dynamo.Number(back), ":rev": dynamo.Number(f.rev)},
	}
	for name, value := range also {
		w.Update += ", #" + name + " = :" + name
		w.Names["#"+name], w.Values[":"+name] = name, value
	}
	now := s.now()
	item, done, err := s.place("flow", f.hash).change(ctx, w, now)
	if err != nil {
		return Flow{}, fmt.Errorf("signin: step to %s: %w", to, err)
	}
	changed, err := decodeFlow(f.hash, item)
	switch {
	case err != nil:
		return Flow{}, fmt.Errorf("signin: step to %s: %w", to, err)
	case !done && changed.over(now):
		return Flow{}, ErrOver
	case !done:
		return Flow{}, ErrStep
	}
	return changed, s.forgive(ctx, f, to)
}

// forgive takes back what Fail has counted in a request, because the secret was right.
func (s *Store) forgive(ctx context.Context, f Flow, to State) error {
	if f.account == "" || to == Dead {
		return nil
	}
	err := s.Forgive(ctx, f.account, to == Entered)
	for _, account := range f.others {
		if err == nil && to == Entered {
			err = s.Forgive(ctx, account, true)
		}
	}
	return err
}

// decodeFlow reads an item; without one the attempt has no state.
func decodeFlow(hash string, item dynamo.Item) (f Flow, err error) {
	if len(item) == 0 {
		return f, nil
	}
	f = Flow{
		Host: dynamo.TextOf(item["host"]), To: dynamo.TextOf(item["to"]), Email: dynamo.TextOf(item["email"]),
		Connection: dynamo.TextOf(item["connection"]), State: State(dynamo.TextOf(item["state"])), Asked: dynamo.TextOf(item["asked"]), link: dynamo.TextOf(item["link"]), hash: hash,
	}
	for _, m := range dynamo.TextsOf(item["factors"]) {
		f.Factors = append(f.Factors, Method(m))
	}
	slices.Sort(f.Factors)
	if f.User, err = userOf(item["user"]); err != nil {
		return Flow{}, err
	}
	for name, n := range map[string]*int64{"version": &f.Version, "failures": &f.failures, "rev": &f.rev} {
		if *n, _, err = dynamo.NumberOf(item[name]); err != nil {
			return Flow{}, err
		}
	}
	if f.ProvedAt, err = dynamo.TimeOf(item["proved"]); err != nil {
		return Flow{}, err
	}
	f.EndsAt, err = dynamo.TimeOf(item["ends"])
	return f, err
}

// userText and userOf write and read a person; the zero id is "".
func userText(user id.User) types.AttributeValue {
	if user.IsZero() {
		return dynamo.Text("")
	}
	return dynamo.Text(user.String())
}

func userOf(v types.AttributeValue) (user id.User, err error) {
	if text := dynamo.TextOf(v); text != "" {
		user, err = id.Parse[id.User](text)
	}
	return user, err
}
