package edge

import (
	"errors"
	"log/slog"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/botscore"
	"portico/shared/captcha"
	"portico/shared/fault"
)

const captchaHeader = "Portico-Captcha-Token"

var captchaParameter = &huma.Param{
	Name: captchaHeader, In: "header",
	Description: "The token of a solved CAPTCHA, after a reply with the code `captcha_required`. Each works once.",
	Schema:      &huma.Schema{Type: huma.TypeString, MaxLength: new(captcha.MaxToken)},
}

// CaptchaWidget is the CAPTCHA that a page shows to get a token.
type CaptchaWidget struct {
	Vendor  string `json:"vendor" enum:"turnstile,hcaptcha" doc:"Whose widget to show." example:"turnstile"`
	SiteKey string `json:"site_key" doc:"The key to show it with." example:"0x4AAAAAAAexample"`
	Action  string `json:"action,omitempty" doc:"The action to give to the widget. Only Turnstile has actions." example:"signIn"`
}

// challenge returns the operation's challenge with the operation's name.
func (o Op) challenge() captcha.Challenge {
	c := *o.Challenge
	c.Name = o.ID
	return c
}

// checkChallenge returns an error if the declaration of a challenge is incomplete.
func (o Op) checkChallenge() error {
	if o.Challenge == nil {
		return nil
	}
	return o.challenge().Check()
}

// pass returns nil if the operation demands no CAPTCHA of the call, or the call has
// the token of a solved one.
func (s *Server) pass(c *Call) error {
	if c.op.Challenge == nil {
		return nil
	}
	challenge := c.op.challenge()
	why, err := s.Captcha.Pass(c, challenge, captcha.Visitor{Address: c.origin.SourceIP, Score: c.Score.Value, Token: c.sent.Get(captchaHeader)})
	if why != "" {
		c.Note(slog.String("captcha_demanded_by", why))
	}
	if errors.Is(err, captcha.ErrRequired) || errors.Is(err, captcha.ErrInvalid) {
		c.widget = (*CaptchaWidget)(s.Captcha.Widget(challenge))
	}
	return err
}

// challengeFaults are what an operation with a challenge can answer besides.
func challengeFaults(op Op) []*fault.Error {
	if op.Challenge == nil {
		return nil
	}
	return []*fault.Error{captcha.ErrRequired, captcha.ErrInvalid, captcha.ErrAway}
}

// scored returns what the log says about a score.
func scored(score botscore.Score) []slog.Attr {
	attrs := []slog.Attr{slog.Int("bot_score", score.Value)}
	if score.Value > 0 {
		attrs = append(attrs, slog.String("bot_signals", score.Signals()))
	}
	return attrs
}
