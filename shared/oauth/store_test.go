package oauth_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/oauth"
	"portico/shared/testkit"
)

// refused fails the test if an error is not of a token that is not accepted.
func refused(t *testing.T, what string, err error) {
	t.Helper()
	var known oauth.Error
	var revoked oauth.Revoked
	if !errors.As(err, &revoked) && (!errors.As(err, &known) || known.Code != oauth.InvalidGrant) {
		t.Errorf("%s: %v", what, err)
	}
}

// A code gives tokens to the app that it was made for, with what it was asked for with.
func TestCodeIsBound(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx, s, code := t.Context(), b.store(), b.begun(t)
		other := id.New[id.OAuthClient](b.clock.Now())
		for name, one := range map[string]struct {
			code               string
			app                id.OAuthClient
			redirect, verifier string
		}{
			"another app":              {code, other, callback, verifier},
			"another redirect":         {code, b.app, callback + "/", verifier},
			"no redirect":              {code, b.app, "", verifier},
			"another verifier":         {code, b.app, callback, strings.Repeat("w", 43)},
			"no verifier":              {code, b.app, callback, ""},
			"the challenge":            {code, b.app, callback, challenge(verifier)},
			"a code that was cut":      {code[:len(code)-1], b.app, callback, verifier},
			"a code with a line end":   {code[:len(code)-1] + "\n", b.app, callback, verifier},
			"a refresh token's prefix": {"ptr_" + code[4:], b.app, callback, verifier},
		} {
			_, tokens, err := s.Redeem(ctx, one.code, oauth.Redemption{Client: one.app, Redirect: one.redirect, Verifier: one.verifier})
			if refused(t, name, err); tokens.Access != "" {
				t.Errorf("%s: got tokens", name)
			}
		}
		g, tokens, err := s.Redeem(ctx, code, b.right())
		testkit.Must(t, err)
		if g.Scope() != "events:read offline_access" || tokens.Life > time.Hour || tokens.Life < 59*time.Minute || !b.works(t, tokens.Access) {
			t.Errorf("%+v, %+v", g, tokens)
		}
	})
}

// A code works for a minute.
func TestCodeEnds(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		code := b.begun(t)
		b.clock.Advance(time.Minute)
		_, _, err := b.store().Redeem(t.Context(), code, b.right())
		refused(t, "after a minute", err)
	})
}

// Of fifty redemptions of a code at once one gets tokens, and these end, because
// somebody else may have the code.
func TestConcurrentRedemptions(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		code := b.begun(t)
		var won []string
		together(50, func(mu *sync.Mutex) {
			_, tokens, err := b.store().Redeem(t.Context(), code, b.right())
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, tokens.Access)
			} else {
				refused(t, "another one", err)
			}
		})
		if len(won) != 1 || b.works(t, won[0]) {
			t.Errorf("%d got tokens, which still work: %t", len(won), len(won) > 0 && b.works(t, won[0]))
		}
	})
}

// together runs work n times at once.
func together(n int, work func(*sync.Mutex)) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range n {
		all.Go(func() { work(&mu) })
	}
	all.Wait()
}

// Fifty refreshes at once get the same new tokens, and so does a repetition within 30
// seconds.
func TestRefresh(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		first := b.redeemed(t)
		b.clock.Advance(2 * time.Second)
		got := map[oauth.Tokens]int{}
		together(50, func(mu *sync.Mutex) {
			tokens, err := b.refresh(t, b.store(), first.Refresh)
			mu.Lock()
			defer mu.Unlock()
			if tokens.Life = 0; err != nil {
				t.Error(err)
			}
			got[tokens]++
		})
		b.clock.Advance(20 * time.Second) // the clock goes on meanwhile
		again, err := b.refresh(t, b.store(), first.Refresh)
		testkit.Must(t, err)
		again.Life = 0
		if len(got) != 1 || got[again] != 50 || again.Refresh == first.Refresh || !b.works(t, again.Access) || !b.works(t, first.Access) {
			t.Errorf("%d different tokens; again: %d", len(got), got[again])
		}
		if _, err := b.refresh(t, b.store(), again.Refresh); err != nil {
			t.Errorf("the successor: %v", err)
		}
	})
}

// A refresh token that was replaced more than 30 seconds ago, or twice, takes the grant
// away.
func TestRefreshReused(t *testing.T) {
	for name, use := range map[string]func(*testing.T, *bed, oauth.Tokens) oauth.Tokens{
		"late": func(t *testing.T, b *bed, first oauth.Tokens) oauth.Tokens {
			next, err := b.refresh(t, b.store(), first.Refresh)
			testkit.Must(t, err)
			b.clock.Advance(31 * time.Second)
			return next
		},
		"older": func(t *testing.T, b *bed, first oauth.Tokens) oauth.Tokens {
			next, err := b.refresh(t, b.store(), first.Refresh)
			testkit.Must(t, err)
			next, err = b.refresh(t, b.store(), next.Refresh)
			testkit.Must(t, err)
			return next
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, b *bed) {
				first := b.redeemed(t)
				last := use(t, b, first)
				_, err := b.refresh(t, b.store(), first.Refresh)
				var revoked oauth.Revoked
				if !errors.As(err, &revoked) || revoked.Why != oauth.Reused || b.works(t, last.Access) {
					t.Errorf("used again: %v", err)
				}
				_, err = b.refresh(t, b.store(), last.Refresh)
				refused(t, "the newest", err)
			})
		})
	}
}

// A refresh token ends after 30 days without use, and all of a grant after 180.
func TestRefreshEnds(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		tokens, err := b.redeemed(t), error(nil)
		for range 6 {
			b.clock.Advance(29 * 24 * time.Hour)
			tokens, err = b.refresh(t, b.store(), tokens.Refresh)
			testkit.Must(t, err)
		}
		b.clock.Advance(6 * 24 * time.Hour)
		_, err = b.refresh(t, b.store(), tokens.Refresh)
		refused(t, "after 180 days", err)

		idle := b.redeemed(t)
		b.clock.Advance(30 * 24 * time.Hour)
		_, err = b.refresh(t, b.store(), idle.Refresh)
		refused(t, "after 30 days without use", err)
	})
}

// A refresh token is for its app, and the caller may refuse it before it is used up.
func TestRefreshIsBound(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		tokens, refusal := b.redeemed(t), errors.New("no")
		for name, text := range map[string]string{"an access token": tokens.Access, "junk": "ptr_" + tokens.Access[4:]} {
			_, err := b.refresh(t, b.store(), text)
			refused(t, name, err)
		}
		_, _, err := b.store().Refresh(t.Context(), tokens.Refresh, id.New[id.OAuthClient](b.clock.Now()), func(oauth.Grant) error { return nil })
		refused(t, "another app", err)
		_, _, err = b.store().Refresh(t.Context(), tokens.Refresh, b.app, func(oauth.Grant) error { return refusal })
		if !errors.Is(err, refusal) {
			t.Error(err)
		}
		if _, err := b.refresh(t, b.store(), tokens.Refresh); err != nil {
			t.Errorf("after these: %v", err)
		}
	})
}

// An access token works for one hour and one resource, and in another process for five
// seconds at most after its grant was taken away.
func TestAccess(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx, tokens, warm := t.Context(), b.redeemed(t), b.store()
		g, err := warm.Access(ctx, tokens.Access, resource)
		testkit.Must(t, err)
		for _, other := range []string{"", resource + "/", "https://other.example.com"} {
			if _, err := warm.Access(ctx, tokens.Access, other); err == nil {
				t.Errorf("it works for the resource %q", other)
			}
		}
		if _, err := warm.Access(ctx, tokens.Refresh, resource); err == nil {
			t.Error("a refresh token works as access token")
		}
		testkit.Must(t, b.store().Revoke(ctx, g.ID, oauth.ByPerson))
		if b.works(t, tokens.Access) {
			t.Error("it works after the grant was revoked")
		}
		b.clock.Advance(5 * time.Second)
		if _, err := warm.Access(ctx, tokens.Access, resource); err == nil {
			t.Error("another process still knows it after five seconds")
		}
		ends := b.redeemed(t)
		b.clock.Advance(time.Hour)
		if b.works(t, ends.Access) {
			t.Error("it works after an hour")
		}
	})
}

// A grant for the resource "" is for none.
func TestAccessWithoutResource(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		g := b.grant("events:read")
		g.Resource = ""
		tokens, err := b.store().Issue(t.Context(), g)
		testkit.Must(t, err)
		if _, err := b.store().Access(t.Context(), tokens.Access, ""); err == nil {
			t.Error("it works")
		}
	})
}

// Without the scope offline_access there is no refresh token, and the grant ends with
// its access token.
func TestWithoutOfflineAccess(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		code, err := b.store().Begin(t.Context(), b.grant("events:read"))
		testkit.Must(t, err)
		_, tokens, err := b.store().Redeem(t.Context(), code, b.right())
		if err != nil || tokens.Refresh != "" || !b.works(t, tokens.Access) {
			t.Errorf("%+v, %v", tokens, err)
		}
	})
}

// All grants of a person end with one write, also those whose code is on its way; in other
// processes after five seconds. Those of others, those of apps for themselves and later ones
// of the person stay.
func TestRevokeAll(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx, warm := t.Context(), b.store()
		mine, others, own := b.grant("events:read", oauth.OfflineAccess), b.grant("events:read"), &oauth.Grant{Client: b.app, Org: id.New[id.Org](b.clock.Now()), Scopes: []string{"events:read"}, Resource: resource}
		issue := func(g *oauth.Grant) oauth.Tokens {
			t.Helper()
			tokens, err := b.store().Issue(ctx, g)
			testkit.Must(t, err)
			_, err = warm.Access(ctx, tokens.Access, resource)
			testkit.Must(t, err)
			return tokens
		}
		first, second, third := issue(mine), issue(others), issue(own)
		coming := b.grant("events:read")
		coming.User = mine.User
		code, err := b.store().Begin(ctx, coming)
		testkit.Must(t, err)
		for range 2 {
			testkit.Must(t, b.store().RevokeAll(ctx, mine.User))
			b.clock.Advance(5 * time.Second)
			for name, one := range map[string]*oauth.Store{"warm": warm, "new": b.store()} {
				_, err := one.Access(ctx, first.Access, resource)
				var revoked oauth.Revoked
				if !errors.As(err, &revoked) || revoked.Why != oauth.All {
					t.Errorf("%s: %v", name, err)
				}
			}
			_, err = b.refresh(t, b.store(), first.Refresh)
			refused(t, "the refresh token", err)
			_, _, err = b.store().Redeem(ctx, code, b.right())
			refused(t, "the code", err)
			if !b.works(t, second.Access) || !b.works(t, third.Access) {
				t.Error("grants of others ended, too")
			}
		}
		later := b.grant("events:read", oauth.OfflineAccess)
		later.User = mine.User
		if tokens := issue(later); !b.works(t, tokens.Access) {
			t.Error("a later grant does not work")
		}
	})
}

// A code that is used again takes its grant away for ten minutes after its end. Later it may
// come from an old log, and is only refused.
func TestOldCodeEndsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		for age, stays := range map[time.Duration]bool{10 * time.Minute: false, 12 * time.Minute: true} {
			code := b.begun(t)
			_, tokens, err := b.store().Redeem(t.Context(), code, b.right())
			testkit.Must(t, err)
			b.clock.Advance(age)
			_, _, err = b.store().Redeem(t.Context(), code, b.right())
			if refused(t, age.String(), err); b.works(t, tokens.Access) != stays {
				t.Errorf("after %s it works: %t", age, !stays)
			}
		}
	})
}
