package signingkey_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"portico/shared/id"
	"portico/shared/secret"
	"portico/shared/signingkey"
	"portico/shared/testkit"
)

const day = 24 * time.Hour

// bed is a database with a clock for all rings.
type bed struct {
	t *testing.T
	*testkit.Database
}

// ring returns the keys as a new process has them.
func (b *bed) ring() *signingkey.Ring {
	return &signingkey.Ring{DB: b.App, Box: testkit.Box(b.t), Clock: b.Clock}
}

// sign returns a JWT and the id of its key.
func (b *bed) sign(r *signingkey.Ring) (text, key string) {
	b.t.Helper()
	text, err := r.Sign(b.t.Context(), map[string]string{"sub": "ada"})
	testkit.Must(b.t, err)
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	testkit.Must(b.t, err)
	return text, signed.Signatures[0].Header.KeyID
}

// published lists the ids of the keys that a process publishes.
func (b *bed) published(r *signingkey.Ring) (ids []string) {
	b.t.Helper()
	set, err := r.Public(b.t.Context())
	testkit.Must(b.t, err)
	for _, k := range set.Keys {
		if !k.IsPublic() || k.Algorithm != "ES256" || k.Use != "sig" {
			b.t.Errorf("the key %s: %s, public: %v", k.KeyID, k.Algorithm, k.IsPublic())
		}
		ids = append(ids, k.KeyID)
	}
	return ids
}

// Whoever reads the published keys can check a signature, which another process made.
func TestSign(t *testing.T) {
	t.Parallel()
	b := &bed{t, testkit.DB(t)}
	text, key := b.sign(b.ring())
	set, err := b.ring().Public(t.Context())
	testkit.Must(t, err)
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	testkit.Must(t, err)
	if len(set.Key(key)) != 1 {
		t.Fatalf("%d keys", len(set.Keys))
	}
	claims, err := signed.Verify(set.Key(key)[0])
	if err != nil || string(claims) != `{"sub":"ada"}` || signed.Signatures[0].Header.ExtraHeaders["typ"] != "JWT" {
		t.Errorf("%s, %v", claims, err)
	}
	published, err := json.Marshal(set)
	testkit.Must(t, err)
	var members struct{ Keys []map[string]any }
	testkit.Must(t, json.Unmarshal(published, &members))
	if _, private := members.Keys[0]["d"]; private {
		t.Error("the private key is published")
	}
}

// Of many processes that need the first key at once, all use one.
func TestFirstKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	b := &bed{t, testkit.DB(t)}
	var (
		group sync.WaitGroup
		keys  sync.Map
	)
	for range 8 {
		r := b.ring()
		group.Go(func() {
			set, err := r.Public(t.Context())
			if err != nil || len(set.Keys) != 1 {
				t.Errorf("%d keys, %v", len(set.Keys), err)
				return
			}
			keys.Store(set.Keys[0].KeyID, true)
		})
	}
	group.Wait()
	n := 0
	keys.Range(func(any, any) bool { n++; return true })
	if stored := testkit.Value[int](t, b.Database, `SELECT count(*)::int FROM signing_key`); n != 1 || stored != 1 {
		t.Errorf("%d keys are used, %d stored", n, stored)
	}
}

// A key signs for 90 days. The next one is published seven days before it signs, in every
// process, and the one before for seven days after. The names of people stay the same.
func TestRotation(t *testing.T) {
	t.Parallel()
	b := &bed{t, testkit.DB(t)}
	r := b.ring()
	now := b.Clock.Now()
	publisher, user := id.New[id.Org](now), id.New[id.User](now)
	name, err := r.Subject(t.Context(), publisher, user)
	testkit.Must(t, err)
	_, first := b.sign(r)
	b.Clock.Advance(82 * day)
	if got := b.published(r); len(got) != 1 {
		t.Fatalf("after 82 days: %v", got)
	}
	b.Clock.Advance(day + time.Minute)
	got := b.published(r)
	if _, key := b.sign(r); len(got) != 2 || got[0] != first || key != first {
		t.Fatalf("after 83 days: %v, signed with %s", got, key)
	}
	second := got[1]
	b.Clock.Advance(7 * day)
	for _, r := range []*signingkey.Ring{r, b.ring()} {
		if _, key := b.sign(r); key != second || len(b.published(r)) != 2 {
			t.Errorf("after 90 days: signed with %s, want %s", key, second)
		}
	}
	b.Clock.Advance(7 * day)
	if got := b.published(r); len(got) != 1 || got[0] != second {
		t.Errorf("after 97 days: %v", got)
	}
	b.Clock.Advance(400 * day) // nobody has signed in for long
	if _, key := b.sign(r); key == second || len(b.published(b.ring())) != 1 {
		t.Errorf("after a long time: %s", key)
	}
	b.Clock.Advance(90 * day)
	_, _ = b.sign(r)
	if again, err := b.ring().Subject(t.Context(), publisher, user); err != nil || again != name {
		t.Errorf("the name has changed: %v", err)
	}
	if stored := testkit.Value[int](t, b.Database, `SELECT count(*)::int FROM signing_key`); stored != 2 {
		t.Errorf("%d keys are stored", stored)
	}
}

// Each publisher has an own name for a person, which is not the person's id.
func TestSubject(t *testing.T) {
	t.Parallel()
	b := &bed{t, testkit.DB(t)}
	r, now := b.ring(), b.Clock.Now()
	seen := map[string]bool{}
	users := []id.User{id.New[id.User](now), id.New[id.User](now)}
	for range 2 {
		publisher := id.New[id.Org](now)
		for _, user := range users {
			name, err := r.Subject(t.Context(), publisher, user)
			testkit.Must(t, err)
			seen[name] = true
		}
	}
	if len(seen) != 4 || seen[users[0].String()] {
		t.Errorf("the names: %v", seen)
	}
}

// While no new key can be stored, the present one signs; and a key of another sealing secret is
// an error, not a new key.
func TestWithoutStore(t *testing.T) {
	t.Parallel()
	b := &bed{t, testkit.DB(t)}
	_, first := b.sign(b.ring())
	b.Exec(t, `REVOKE EXECUTE ON FUNCTION add_signing_key FROM portico_app`)
	b.Clock.Advance(85 * day)
	if _, key := b.sign(b.ring()); key != first {
		t.Errorf("signed with %s", key)
	}
	other := b.ring()
	box, err := secret.Parse([]byte(`{"current":"1","1":"` + strings.Repeat("another key ", 4) + `"}`))
	testkit.Must(t, err)
	other.Box = box
	if err := other.Ready(t.Context()); err == nil {
		t.Error("a key that cannot be opened is used")
	}
}
