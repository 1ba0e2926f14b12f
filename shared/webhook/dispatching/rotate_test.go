package dispatching_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76/webhook"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/signing"
)

// rotate gives an endpoint a new secret and returns it.
func (e *engine) rotate(endpoint id.WebhookEndpoint, overlap time.Duration) string {
	e.t.Helper()
	plain := signing.NewSecret()
	testkit.Must(e.t, e.App.InOrg(context.Background(), e.org, e.rotation(endpoint, plain, overlap)))
	return plain
}

// rotation is the work of a transaction that rotates.
func (e *engine) rotation(endpoint id.WebhookEndpoint, plain string, overlap time.Duration) func(pg.Tx) error {
	return func(tx pg.Tx) error {
		_, err := webhook.RotateSecret(context.Background(), tx, e.org, endpoint, plain, overlap, e.Clock.Now(), e.box)
		return err
	}
}

// signers publishes an event and returns the secrets with which Stripe's library
// verifies its signature, and the number of signatures.
func (e *engine) signers(rec *testkit.Receiver, secrets ...string) (valid []bool, signatures int) {
	e.t.Helper()
	before := len(rec.All())
	e.publish(`{}`)
	e.dispatch()
	got := rec.All()
	if len(got) != before+1 {
		e.t.Fatalf("%d deliveries of one event", len(got)-before)
	}
	last := got[before]
	header := last.Header.Get("Webhook-Signature")
	for _, s := range secrets {
		// The clock ran ahead of the verifier's.
		valid = append(valid, stripe.ValidatePayloadIgnoringTolerance(last.Body, header, s) == nil)
	}
	return valid, strings.Count(header, "v1=")
}

// During the overlap of a rotation a receiver can verify with either secret; the
// newer one's signature is first. After the overlap only the new one signs. After
// any number of rotations at most two secrets sign.
func TestRotation(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.StopClock(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint, first := e.endpoint(rec.URL, "*")
	secrets := []string{first}
	for _, step := range []struct {
		name    string
		advance time.Duration
		overlap time.Duration // negative: no rotation
		valid   []bool        // by secret, the oldest first
	}{
		{"before any rotation", 0, -1, []bool{true}},
		{"in the overlap", time.Second, time.Hour, []bool{true, true}},
		{"just before its end", time.Hour - time.Microsecond, -1, []bool{true, true}},
		{"at its end", time.Microsecond, -1, []bool{false, true}},
		{"in the next overlap", time.Second, time.Hour, []bool{false, true, true}},
		{"rotated again in an overlap", time.Minute, time.Hour, []bool{false, false, true, true}},
		{"rotated at once", time.Minute, 0, []bool{false, false, false, false, true}},
		{"long after", 240 * time.Hour, -1, []bool{false, false, false, false, true}},
	} {
		e.Advance(t, step.advance)
		if step.overlap >= 0 {
			secrets = append(secrets, e.rotate(endpoint, step.overlap))
		}
		want := 0
		for _, v := range step.valid {
			if v {
				want++
			}
		}
		valid, signatures := e.signers(rec, secrets...)
		if !slices.Equal(valid, step.valid) || signatures != want {
			t.Errorf("%s: %d signatures, valid by secret %v, want %v", step.name, signatures, valid, step.valid)
		}
	}
	newest := e.rotate(endpoint, time.Hour)
	e.signers(rec)
	last := rec.All()[len(rec.All())-1]
	header := last.Header.Get("Webhook-Signature")
	onlyFirst, _, _ := strings.Cut(header[strings.Index(header, "v1="):], ",")
	stamp, _, _ := strings.Cut(header, ",")
	if err := stripe.ValidatePayloadIgnoringTolerance(last.Body, stamp+","+onlyFirst, newest); err != nil {
		t.Errorf("the newest secret's signature is not the first: %v", err)
	}
}

// A key pair is rotated like a secret: during the overlap deliveries are signed
// with the new pair and then the old one, and the old public key is shown. At
// most two pairs sign. The secret, which does not sign, is not changed.
func TestKeyPairRotation(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.StopClock(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint, _ := e.endpoint(rec.URL, "*")
	first := e.setOptions(endpoint, webhook.OptionsChange{SignatureScheme: new(signing.SchemeStandardAsymmetric)}).PublicKey
	keys := []ed25519.PublicKey{first}
	for _, step := range []struct {
		name    string
		advance time.Duration
		overlap time.Duration // negative: no rotation
		signs   []int         // whose signatures there are: indexes of keys
	}{
		{"before any rotation", 0, -1, []int{0}},
		{"in the overlap", time.Second, time.Hour, []int{1, 0}},
		{"just before its end", time.Hour - time.Microsecond, -1, []int{1, 0}},
		{"at its end", time.Microsecond, -1, []int{1}},
		{"in the next overlap", time.Second, time.Hour, []int{2, 1}},
		{"rotated again in an overlap", time.Minute, time.Hour, []int{3, 2}},
		{"rotated at once", time.Minute, 0, []int{4}},
		{"long after", 240 * time.Hour, -1, []int{4}},
	} {
		e.Advance(t, step.advance)
		if step.overlap >= 0 {
			e.rotate(endpoint, step.overlap)
			keys = append(keys, e.setOptions(endpoint, webhook.OptionsChange{}).PublicKey)
		}
		if signs := e.pairSigners(rec, keys); !slices.Equal(signs, step.signs) {
			t.Errorf("%s: signed by %v, want %v", step.name, signs, step.signs)
		}
		shown := e.setOptions(endpoint, webhook.OptionsChange{}).OldPublicKey
		if inOverlap := len(step.signs) == 2; inOverlap != (shown != nil) || (inOverlap && !shown.Equal(keys[step.signs[1]])) {
			t.Errorf("%s: the old public key is %x", step.name, shown)
		}
	}
	if n := testkit.Value[int](t, e.Database, `SELECT count(*) FROM webhook_secret`); n != 1 {
		t.Errorf("%d secrets, want the first one only", n)
	}
}

// pairSigners publishes an event and returns, for each of its signatures in
// order, the index of the key that verifies it; -1 if none does.
func (e *engine) pairSigners(rec *testkit.Receiver, keys []ed25519.PublicKey) (signs []int) {
	e.t.Helper()
	before := len(rec.All())
	e.publish(`{}`)
	e.dispatch()
	r := rec.All()[before]
	content := r.Header.Get("Webhook-Id") + "." + r.Header.Get("Webhook-Timestamp") + "." + string(r.Body)
	for _, one := range strings.Split(r.Header.Get("Webhook-Signature"), " ") {
		encoded, _ := strings.CutPrefix(one, "v1a,")
		signature, err := base64.StdEncoding.DecodeString(encoded)
		testkit.Must(e.t, err)
		signs = append(signs, slices.IndexFunc(keys, func(k ed25519.PublicKey) bool {
			return ed25519.Verify(k, []byte(content), signature)
		}))
	}
	return signs
}

// A rotation waits for another one of the same endpoint that has not ended: of
// the two new secrets the later one stays, the earlier one ends with its overlap.
func TestRotationsAtOnce(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	endpoint, oldest := e.endpoint(rec.URL, "*")
	earlier, later := signing.NewSecret(), signing.NewSecret()
	done := make(chan error, 1)
	e.InOrg(t, e.org, func(ctx context.Context, tx pg.Tx) error {
		err := e.rotation(endpoint, earlier, time.Hour)(tx)
		go func() {
			done <- e.App.InOrg(ctx, e.org, e.rotation(endpoint, later, time.Hour))
		}()
		testkit.Await(t, "the second rotation to wait for the first", func() bool {
			return testkit.Value[bool](t, e.Database, `SELECT EXISTS (SELECT FROM pg_stat_activity
				WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0)`)
		})
		return err
	})
	testkit.Must(t, <-done)
	if valid, signatures := e.signers(rec, oldest, earlier, later); signatures != 2 || !slices.Equal(valid, []bool{false, true, true}) {
		t.Errorf("in the overlap: %d signatures, valid %v", signatures, valid)
	}
	e.Advance(t, time.Hour)
	if valid, signatures := e.signers(rec, oldest, earlier, later); signatures != 1 || !valid[2] {
		t.Errorf("after it: %d signatures, valid %v", signatures, valid)
	}
}
