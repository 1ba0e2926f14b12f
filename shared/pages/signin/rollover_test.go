package signin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"portico/infra/local/samlidp"
	"portico/shared/pg"
	"portico/shared/sso"
)

// rolling is a SAML provider with two keys, of which one signs.
type rolling struct {
	old, next *samlidp.Provider
	signs     func(http.Handler)
}

// samlRollover returns one, and an active connection that knows the old key only.
func (s *stage) samlRollover() (rolling, sso.Found) {
	s.t.Helper()
	idp, signs := s.samlServer()
	r := rolling{old: idp(), next: idp(), signs: signs}
	signs(r.old)
	return r, s.connectionTo(r.old)
}

// trust changes the certificates of a connection, as the API does.
func (s *stage) trust(c sso.Found, certificates ...string) (after sso.Found) {
	s.t.Helper()
	after = c
	s.db.InOrg(s.t, c.Org, func(ctx context.Context, tx pg.Tx) (err error) {
		if after.Connection, err = sso.Lock(ctx, tx, c.Org, c.ID); err != nil {
			return err
		}
		after.Certificates = certificates
		if err := after.Complete("portico.example"); err != nil {
			return err
		}
		return sso.Save(ctx, tx, c.Org, &after.Connection, s.clock.Now())
	})
	return after
}

// enters signs in by a connection in a new browser, and reports whether that lets Ada in.
func (s *stage) enters(c sso.Found) bool {
	s.t.Helper()
	b := s.browser()
	if p := s.elsewherePosts(c, b.response(c, "ada@example.com")); p.status != 303 {
		return false
	}
	b.follow(b.get(sso.ArrivedPath))
	return b.cookies["__Host-portico"] != ""
}

// A provider changes its key without anybody being kept out: the new certificate is added
// beside the old one, both sign people in, and the old one is removed. A key that is not
// trusted, not yet or not any more, lets nobody in, and a trace says so.
func TestCertificateRollover(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	idp, c := s.samlRollover()
	old, next := idp.old.Certificate(), idp.next.Certificate()
	for _, step := range []struct {
		trusted      []string
		oldIn, newIn bool
	}{
		{trusted: []string{old}, oldIn: true},
		{trusted: []string{old, next}, oldIn: true, newIn: true},
		{trusted: []string{next}, newIn: true},
	} {
		c = s.trust(c, step.trusted...)
		for _, by := range []struct {
			name  string
			key   *samlidp.Provider
			comes bool
		}{{"the old key", idp.old, step.oldIn}, {"the new key", idp.next, step.newIn}} {
			idp.signs(by.key)
			before := s.traces(c)
			if in := s.enters(c); in != by.comes {
				t.Errorf("%d certificates, %s: lets in %v; the traces: %s", len(step.trusted), by.name, in, s.traces(c))
			}
			traced := strings.TrimPrefix(strings.TrimPrefix(s.traces(c), before), ", ")
			if by.comes && traced != "" || !by.comes && !strings.HasPrefix(traced, "verify unknown_certificate {") {
				t.Errorf("%d certificates, %s: the traces %q", len(step.trusted), by.name, traced)
			}
		}
	}
	if got := s.members(c.Org); got != "ada@example.com developer Ada Lovelace" {
		t.Errorf("the members: %s", got)
	}
}
