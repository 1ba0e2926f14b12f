package mail

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"

	"portico/shared/mail/override"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/mail/unsubscribe"
	"portico/shared/observe"
)

// message makes a mail. An error that is a fault of kind Unavailable passes; others
// do not.
func (s *Sender) message(ctx context.Context, r row) (transport.Message, result, error) {
	t := template.Named(r.Template)
	if t == nil {
		return transport.Message{}, result{}, fmt.Errorf("there is no template %s", r.Template)
	}
	data, err := s.Box.Open(r.Data, sealedFor(r.ID))
	if err != nil {
		return transport.Message{}, result{}, err
	}
	var kept sealed
	if err := json.Unmarshal(data, &kept); err != nil {
		return transport.Message{}, result{}, err
	}
	content, err := t.Decode(kept.Data)
	if err != nil {
		return transport.Message{}, result{}, err
	}
	frame := s.frame(r, kept)
	rendered, err := s.render(ctx, content, r.Locale, frame, kept.Test)
	if err != nil {
		return transport.Message{}, result{}, err
	}
	digest := sha256.Sum256([]byte(rendered.Subject + "\n" + rendered.Text + "\n" + rendered.HTML))
	return transport.Message{
		ID: r.ID.String(), At: r.CreatedAt, From: transport.Address{Name: frame.Brand.Name, Address: s.From[r.Stream]},
		To: transport.Address{Name: r.RecipientName, Address: r.Recipient}, ReplyTo: frame.Brand.Support,
		Subject: rendered.Subject, HTML: rendered.HTML, Text: rendered.Text, Unsubscribe: frame.Unsubscribe,
	}, result{version: rendered.Version, locale: rendered.Locale, digest: digest[:]}, nil
}

// frame returns what stands around a mail: the look of its organization.
func (s *Sender) frame(r row, kept sealed) template.Frame {
	look := r.organization.Branding
	frame := template.Frame{
		Brand:        template.Brand{Name: cmp.Or(look.DisplayName, s.Name), LogoURL: look.LogoURL, Color: look.PrimaryColor, Support: look.SupportEmail},
		Organization: cmp.Or(look.DisplayName, r.organization.Name),
	}
	if kept.Token != "" && s.Public != "" {
		frame.Unsubscribe = unsubscribe.Link(s.Public, kept.Token)
	}
	return frame
}

// render renders a content: by the override that is published in its language, else
// by the repository's template. If the override fails, the repository's template is
// used and the log says so, because a mail in other words is better than none.
func (s *Sender) render(ctx context.Context, content template.Content, wanted string, frame template.Frame, test *Test) (template.Rendered, error) {
	v := override.Variant{Template: content.Template.Name, Locale: s.Templates.Nearest(wanted)}
	if test != nil {
		return s.renderTest(ctx, content, v, frame, *test)
	}
	if s.Overrides != nil {
		o, number, why, err := s.Overrides.Get(ctx, v)
		if err != nil {
			return template.Rendered{}, err
		}
		if o != nil {
			var rendered template.Rendered
			if rendered, why = o.Render(content.Data, frame); why == nil {
				return rendered, nil
			}
		}
		if number > 0 {
			s.Log.Line(ctx, slog.LevelError, "a published mail template cannot be used: the repository's is sent instead",
				[]observe.Metric{observe.One("MailOverrideFailures", observe.Count, 1)},
				slog.String("template", v.Template), slog.String("locale", v.Locale), slog.Int("version", number), slog.String("cause", fmt.Sprint(why)))
		}
	}
	return s.Templates.Render(content, v.Locale, frame)
}

// renderTest renders a test mail, whose subject says that it is one.
func (s *Sender) renderTest(ctx context.Context, content template.Content, v override.Variant, frame template.Frame, test Test) (rendered template.Rendered, err error) {
	if test.Version == 0 {
		rendered, err = s.Templates.Render(content, v.Locale, frame)
	} else {
		var o *template.Override
		if o, err = s.Overrides.Version(ctx, v, test.Version); err != nil {
			return rendered, err
		}
		rendered, err = o.Render(content.Data, frame)
	}
	rendered.Subject = template.Shorten("[Test] " + rendered.Subject)
	return rendered, err
}
