package signin_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/secret"
	"portico/shared/signin"
	"portico/shared/testkit"
)

func (b *bed) mail(purpose signin.Purpose, f signin.Flow) secret.Token {
	b.t.Helper()
	token, err := b.Mail(b.t.Context(), signin.MailedLink{Purpose: purpose, User: b.user, Email: "ann@example.com", Version: 3}, f)
	testkit.Must(b.t, err)
	return token
}

// Looking at a link never uses it up; of many that use it at once one succeeds.
func TestLinkWorksOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		f, _ := b.begin()
		for _, purpose := range []signin.Purpose{signin.SignIn, signin.ChangeAddress, signin.UndoChange} {
			token := b.mail(purpose, f)
			for range 20 {
				l, err := b.Look(ctx, token, f)
				if testkit.Must(t, err); l.Purpose != purpose || l.User != b.user || l.Email != "ann@example.com" || l.Version != 3 {
					t.Fatalf("%s: %+v", purpose, l)
				}
			}
			if n := winners(20, func() error { _, err := b.Take(ctx, token, f); return err }); n != 1 {
				t.Errorf("%s: used %d times", purpose, n)
			}
			if l, err := b.Look(ctx, token, f); !errors.Is(err, signin.ErrUsed) || l.Purpose != purpose {
				t.Errorf("%s: looked at after use: %+v, %v", purpose, l, err)
			}
			if _, err := b.Take(ctx, token, f); !errors.Is(err, signin.ErrUsed) {
				t.Errorf("%s: a second time: %v", purpose, err)
			}
			b.hides(token.Text())
		}
		for _, do := range []func() (signin.MailedLink, error){
			func() (signin.MailedLink, error) { return b.Look(ctx, secret.NewToken(), f) },
			func() (signin.MailedLink, error) { return b.Take(ctx, secret.NewToken(), f) },
		} {
			if _, err := do(); !errors.Is(err, signin.ErrNone) {
				t.Errorf("an unknown link: %v", err)
			}
		}
	})
}

// A link works for ten minutes, that which undoes a change for seven days.
func TestLinkEnds(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		short, long := b.mail(signin.ChangeAddress, signin.Flow{}), b.mail(signin.UndoChange, signin.Flow{})
		ends := func(what string, token secret.Token) {
			t.Helper()
			_, err := b.Look(ctx, token, signin.Flow{})
			testkit.Must(t, err)
			b.clock.Advance(time.Second)
			_, err = b.Look(ctx, token, signin.Flow{})
			if _, taken := b.Take(ctx, token, signin.Flow{}); !errors.Is(err, signin.ErrNone) || !errors.Is(taken, signin.ErrNone) {
				t.Errorf("%s: %v, %v", what, err, taken)
			}
		}
		b.clock.Advance(10*time.Minute - time.Second)
		ends("after ten minutes", short)
		b.clock.Advance(7*24*time.Hour - 10*time.Minute - time.Second)
		ends("after seven days", long)
	})
}

// A link to sign in works in the browser that asked for it. In another one it gives only
// a code, which the first one may type, once.
func TestLinkElsewhere(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		f, cookie := b.begin()
		other, _ := b.begin()
		token := b.mail(signin.SignIn, f)
		for _, elsewhere := range []signin.Flow{other, {}} {
			l, err := b.Look(ctx, token, elsewhere)
			if _, taken := b.Take(ctx, token, elsewhere); !errors.Is(err, signin.ErrElsewhere) || !errors.Is(taken, signin.ErrElsewhere) || l.Purpose != signin.SignIn {
				t.Errorf("elsewhere: %+v, %v, %v", l, err, taken)
			}
		}
		code := signin.Code(token)
		b.hides(code)
		f, err := b.Find(ctx, cookie, host)
		testkit.Must(t, err)
		for _, wrong := range []string{"", "ABCDEFGH", code[:7], code + "0", signin.Code(secret.NewToken())} {
			if _, err := b.TakeCode(ctx, f, wrong); !errors.Is(err, signin.ErrNone) {
				t.Errorf("the code %q: %v", wrong, err)
			}
		}
		if _, err := b.TakeCode(ctx, other, code); !errors.Is(err, signin.ErrNone) {
			t.Errorf("in another attempt: %v", err)
		}
		typed := strings.NewReplacer("0", "o", "1", "l").Replace(" " + strings.ToLower(code[:4]) + "-" + code[4:])
		if n := winners(20, func() error { _, err := b.TakeCode(ctx, f, typed); return err }); n != 1 {
			t.Errorf("typed %d times", n)
		}
		if _, err := b.Take(ctx, token, f); !errors.Is(err, signin.ErrUsed) {
			t.Errorf("the link, after its code: %v", err)
		}
		first := signin.Code(b.mail(signin.SignIn, f))
		second := b.mail(signin.SignIn, f)
		f, err = b.Find(ctx, cookie, host)
		testkit.Must(t, err)
		if _, err := b.TakeCode(ctx, f, first); !errors.Is(err, signin.ErrNone) {
			t.Errorf("the code of the link before: %v", err)
		}
		if l, err := b.TakeCode(ctx, f, signin.Code(second)); err != nil || l.User != b.user {
			t.Errorf("the last code: %+v, %v", l, err)
		}
	})
}

// If a call of DynamoDB fails while a link is made, no token comes back, and the attempt
// is as it was.
func TestKillsOfMail(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		f, cookie := b.begin()
		for last := int32(1); last <= 2; last++ {
			var made atomic.Int32
			broken := b.over(testkit.DynamoDBThrough(t, b.endpoint, func(string, string) bool { return made.Add(1) >= last }))
			if token, err := broken.Mail(t.Context(), signin.MailedLink{Purpose: signin.SignIn}, f); err == nil || token != (secret.Token{}) {
				t.Errorf("call %d failed: %v", last, err)
			}
			if got, err := b.Find(t.Context(), cookie, host); err != nil || fmt.Sprint(got) != fmt.Sprint(f) {
				t.Errorf("call %d failed: %+v, %v", last, got, err)
			}
		}
		token := b.mail(signin.SignIn, f)
		if _, err := b.Take(t.Context(), token, f); err != nil {
			t.Error(err)
		}
	})
}
