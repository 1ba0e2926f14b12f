package signin

import (
	"context"
	"fmt"
	"time"

	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/secret"
)

// Purpose is what a mailed link is for that something is stored about. Those to complete
// an account and to choose a new password need no item: see Mailed.
type Purpose string

// The purposes.
const (
	SignIn        Purpose = "sign_in"
	ChangeAddress Purpose = "change_address"
	UndoChange    Purpose = "undo_change" // of an address
)

const (
	linkLife = 10 * time.Minute
	undoLife = 7 * 24 * time.Hour
)

// MailedLink is a link that works once.
type MailedLink struct {
	Purpose Purpose
	User    id.User // zero: nobody has the address yet
	Email   string  // where it was mailed to, or the new address
	Version int64   // of the person's credentials when it was asked for
	EndsAt  time.Time

	flow string // the hash of the attempt that asked for it; "": works in any browser
	used bool
}

// Mail makes a link. One to sign in belongs to the attempt f, whose browser alone may
// use it, and has a code, which another browser shows; f is not used for other links.
// Mail the token only after Mail has returned.
func (s *Store) Mail(ctx context.Context, l MailedLink, f Flow) (secret.Token, error) {
	token := secret.NewToken()
	hash := token.Hash()
	life := linkLife
	if l.Purpose == UndoChange {
		life = undoLife
	}
	item := dynamo.Item{
		"purpose": dynamo.Text(string(l.Purpose)), "user": userText(l.User), "email": dynamo.Text(l.Email), "version": dynamo.Number(l.Version),
	}
	if l.Purpose == SignIn {
		code, err := s.seal(hash, Code(token))
		if err != nil {
			return secret.Token{}, fmt.Errorf("signin.Mail: %w", err)
		}
		item["flow"], item["code"] = dynamo.Text(f.hash), dynamo.Text(code)
	}
	if err := s.place("link", hash).put(ctx, item, s.now().Add(life)); err != nil {
		return secret.Token{}, fmt.Errorf("signin.Mail: %w", err)
	}
	if l.Purpose != SignIn {
		return token, nil
	}
	// No step: whatever the attempt does meanwhile, the code leads to its last link.
	_, done, err := s.place("flow", f.hash).change(ctx, dynamo.Write{
		Update: "SET link = :link", If: "failures < :most", Values: dynamo.Item{":link": dynamo.Text(hash), ":most": dynamo.Number(mostFailures)},
	}, s.now())
	if err == nil && !done {
		err = ErrOver
	}
	if err != nil {
		return secret.Token{}, fmt.Errorf("signin.Mail: %w", err)
	}
	return token, nil
}

// Look returns what a link is for, and changes nothing. flow is the attempt of the
// browser that asks; zero: it has none. It returns ErrElsewhere with the link if that
// belongs to another browser, ErrUsed with it if it was used, and ErrNone.
func (s *Store) Look(ctx context.Context, token secret.Token, flow Flow) (MailedLink, error) {
	item, err := s.place("link", token.Hash()).get(ctx)
	if err != nil {
		return MailedLink{}, fmt.Errorf("signin.Look: %w", err)
	}
	return s.judge(item, flow)
}

// Take uses up a link, or returns the same as Look. Of several at once one succeeds.
func (s *Store) Take(ctx context.Context, token secret.Token, flow Flow) (MailedLink, error) {
	return s.take(ctx, token.Hash(), flow, "")
}

// TakeCode uses up the link that was last mailed for an attempt, by its code, which the
// person has typed. A wrong code returns ErrNone and uses nothing up. Call Try before.
func (s *Store) TakeCode(ctx context.Context, f Flow, typed string) (MailedLink, error) {
	if f.link == "" {
		return MailedLink{}, ErrNone
	}
	code, err := s.seal(f.link, ReadCode(typed))
	if err != nil {
		return MailedLink{}, fmt.Errorf("signin.TakeCode: %w", err)
	}
	return s.take(ctx, f.link, f, code)
}

func (s *Store) take(ctx context.Context, hash string, flow Flow, code string) (MailedLink, error) {
	now := s.now()
	w := dynamo.Write{
		Update: "SET used = :now", If: "attribute_not_exists(used) AND (attribute_not_exists(#flow) OR #flow = :flow)",
		Names: map[string]string{"#flow": "flow"}, Values: dynamo.Item{":flow": dynamo.Text(flow.hash)},
	}
	if code != "" {
		w.If, w.Names["#code"], w.Values[":code"] = w.If+" AND #code = :code", "code", dynamo.Text(code)
	}
	item, done, err := s.place("link", hash).change(ctx, w, now)
	if err != nil {
		return MailedLink{}, fmt.Errorf("signin.Take: %w", err)
	}
	if done {
		return decodeLink(item)
	}
	link, err := s.judge(item, flow)
	if err == nil {
		err = ErrNone // the code is wrong
	}
	return link, err
}

// judge reads a link that was not taken, and says why it cannot be.
func (s *Store) judge(item dynamo.Item, flow Flow) (MailedLink, error) {
	if len(item) == 0 {
		return MailedLink{}, ErrNone
	}
	link, err := decodeLink(item)
	switch {
	case err != nil:
		return MailedLink{}, err
	case !s.now().Before(link.EndsAt):
		return MailedLink{}, ErrNone
	case link.used:
		return link, ErrUsed
	case link.flow != "" && link.flow != flow.hash:
		return link, ErrElsewhere
	}
	return link, nil
}

func decodeLink(item dynamo.Item) (l MailedLink, err error) {
	l = MailedLink{Purpose: Purpose(dynamo.TextOf(item["purpose"])), Email: dynamo.TextOf(item["email"]), flow: dynamo.TextOf(item["flow"]), used: item["used"] != nil}
	if l.User, err = userOf(item["user"]); err != nil {
		return MailedLink{}, fmt.Errorf("signin: link: %w", err)
	}
	if l.Version, _, err = dynamo.NumberOf(item["version"]); err != nil {
		return MailedLink{}, fmt.Errorf("signin: link: %w", err)
	}
	l.EndsAt, err = dynamo.TimeOf(item["ends"])
	return l, err
}
