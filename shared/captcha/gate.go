package captcha

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Challenge says when a CAPTCHA is demanded from a caller. If neither After nor
// Score is set, it is demanded always.
type Challenge struct {
	Name string // of the operation or page: for the count, and the widget's action
	// After is how many requests one address may send in a Window before it must
	// solve a CAPTCHA for each further one; 0: the number does not matter.
	After  int64
	Window time.Duration
	// Score is the bot score from which on a CAPTCHA is demanded; 0: the score does
	// not matter.
	Score int
}

// Check returns an error if the declaration is incomplete.
func (c Challenge) Check() error {
	switch {
	case c.Name == "" || len(c.Name) > maxAction:
		return fmt.Errorf("a challenge needs a name of at most %d characters: %q", maxAction, c.Name)
	case c.After < 0 || (c.After > 0) != (c.Window > 0):
		return fmt.Errorf("the challenge %s needs both a number of requests and a window, or neither", c.Name)
	case c.Score < 0 || c.Score > 100:
		return fmt.Errorf("the challenge %s demands a score of %d, of at most 100", c.Name, c.Score)
	}
	return nil
}

var errNoSecret = errors.New("no CAPTCHA secret is configured, see docs/abuse.md")

// maxAction is how long an action may be for Turnstile.
const maxAction = 32

// Count counts a request of an address for a name, and reports whether there were
// more than limit in the window.
type Count func(ctx context.Context, from netip.Addr, name string, limit int64, window time.Duration) (over bool, err error)

// Gate demands and verifies CAPTCHAs for operations and pages. The zero Gate
// refuses all that need one.
type Gate struct {
	Verifier *Verifier
	Count    Count // nil: every address is over every limit
}

// Visitor is who sends a request.
type Visitor struct {
	Address netip.Addr
	Score   int
	Token   string // of a solved CAPTCHA; "": none
}

// Widget is what a page shows to get a token.
type Widget struct {
	Vendor, SiteKey string
	Action          string // "" for a vendor without actions
}

// Pass returns nil if a visitor may go on: no CAPTCHA is demanded, or its token is
// valid. Otherwise it returns ErrRequired or ErrInvalid, after which the visitor
// must be shown the widget, or ErrAway. If the requests cannot be counted, a CAPTCHA
// is demanded. why, for the log, says what demanded one; "": nothing.
func (g *Gate) Pass(ctx context.Context, c Challenge, v Visitor) (why string, err error) {
	if why = g.demands(ctx, c, v); why == "" {
		return "", nil
	}
	switch {
	case g.Verifier == nil || g.Verifier.config.Secret == "": // do not ask for a token that is then refused
		return why, away(errNoSecret)
	case v.Token == "":
		return why, ErrRequired
	}
	return why, g.Verifier.Verify(ctx, v.Token, v.Address, c.Name)
}

// What demanded a CAPTCHA.
const (
	Always    = "always"
	ByScore   = "score"
	ByCount   = "count"
	Uncounted = "uncounted" // the requests could not be counted
)

func (g *Gate) demands(ctx context.Context, c Challenge, v Visitor) string {
	if c.After == 0 && c.Score == 0 {
		return Always
	}
	if c.After > 0 { // also counts those who are refused for their score
		if g.Count == nil {
			return Uncounted
		}
		over, err := g.Count(ctx, v.Address, c.Name, c.After, c.Window)
		switch {
		case err != nil:
			return Uncounted
		case over:
			return ByCount
		}
	}
	if c.Score > 0 && v.Score >= c.Score {
		return ByScore
	}
	return ""
}

// Widget returns what a page shows for a challenge; nil if there is no vendor.
func (g *Gate) Widget(c Challenge) *Widget {
	if g.Verifier == nil || g.Verifier.config.Secret == "" {
		return nil
	}
	config := g.Verifier.config
	w := &Widget{Vendor: config.Vendor.Name, SiteKey: config.SiteKey}
	if config.Vendor.HasAction {
		w.Action = c.Name
	}
	return w
}
