package transport

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// SMTPServer is where and how to send.
type SMTPServer struct {
	Host               string
	Port               int    // 587, or another one with STARTTLS; 465 begins with TLS
	Username, Password string // empty: the server demands none
	TLS                *tls.Config
	Timeout            time.Duration // of one mail, from the connection to the answer
	DKIM               *DKIM         // nil: the server signs, or nobody does
}

// DKIM is a key with the place where its public half is published.
type DKIM struct {
	Domain, Selector string
	Key              crypto.Signer
}

// SMTP sends through a server, one connection for each mail, with TLS always.
type SMTP struct {
	server SMTPServer
	client *gomail.Client
}

// implicitTLS is the port on which a connection begins with TLS (RFC 8314).
const implicitTLS = 465

// NewSMTP returns a transport for the server.
func NewSMTP(server SMTPServer) (*SMTP, error) {
	config := server.TLS
	if config == nil {
		config = &tls.Config{}
	}
	config = config.Clone()
	config.ServerName, config.MinVersion = server.Host, tls.VersionTLS12
	options := []gomail.Option{
		gomail.WithPort(server.Port), gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithTLSConfig(config),
		gomail.WithTimeout(server.Timeout), gomail.WithoutSMTPUTF8(), // addresses are ASCII, so no server may refuse
	}
	if server.Port == implicitTLS {
		options = append(options, gomail.WithSSL())
	}
	if server.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(server.Username), gomail.WithPassword(server.Password))
	}
	client, err := gomail.NewClient(server.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	return &SMTP{server, client}, nil
}

// Dedupes reports that a repeated call may send the mail twice.
func (s *SMTP) Dedupes() bool { return false }

// Send returns the server's answer to the mail, which usually contains its id.
func (s *SMTP) Send(ctx context.Context, m Message) (providerID string, err error) {
	m, err = m.checked()
	if err != nil {
		return "", err
	}
	raw, err := m.mime()
	if err != nil {
		return "", err
	}
	if raw, err = s.sign(raw); err != nil {
		return "", err
	}
	client, err := s.client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return "", ErrAway.Because(err) // also a login that is refused, and a server without TLS
	}
	defer func() { _ = client.Close() }() // unless Quit has done it
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	return s.deliver(client, m, raw)
}

// deliver sends one mail over a connection.
func (s *SMTP) deliver(client *smtp.Client, m Message, raw []byte) (providerID string, err error) {
	if err := client.Mail("<" + m.From.Address + ">"); err != nil {
		return "", smtpFault(err, ErrAway.Because(err))
	}
	if err := client.Rcpt("<" + m.To.Address + ">"); err != nil {
		return "", smtpFault(err, ErrAway.Because(err))
	}
	data, err := client.Data()
	if err != nil {
		return "", smtpFault(err, ErrAway.Because(err))
	}
	if _, err = data.Write(raw); err != nil {
		return "", ErrAway.Because(err) // the final dot was not sent
	}
	if err = data.Close(); err != nil {
		return "", smtpFault(err, ErrUnknown.Because(err))
	}
	if d, ok := data.(*smtp.DataCloser); ok {
		providerID, _, _ = strings.Cut(d.ServerResponse(), "\n")
	}
	_ = client.Quit() // the mail is accepted, whatever happens now
	return providerID, nil
}

// smtpFault says what a server's answer means; without an answer it is silent.
func smtpFault(err, silent error) error {
	var answer *textproto.Error
	if !errors.As(err, &answer) {
		return silent
	}
	switch {
	case answer.Code == 421 || answer.Code == 450 && strings.HasPrefix(answer.Msg, "4.7.") || answer.Code == 451 && strings.HasPrefix(answer.Msg, "4.7."):
		return ErrThrottled.Because(err) // the service closes, or limits us
	case answer.Code == 530 || answer.Code == 535 || answer.Code == 538:
		return ErrAway.Because(err) // our login, not the mail
	case answer.Code >= 500:
		return ErrRefused.Because(err)
	}
	return ErrAway.Because(err)
}

// signed are the headers that a signature covers. Each is covered once more than it
// is there, so that nobody can add another one.
var signed = strings.Fields("From From To To Subject Subject Date Date Message-ID Message-ID Reply-To Reply-To " +
	"MIME-Version MIME-Version Content-Type Content-Type List-Unsubscribe List-Unsubscribe List-Unsubscribe-Post List-Unsubscribe-Post")

// sign returns the message with a DKIM signature, if there is a key.
func (s *SMTP) sign(raw []byte) ([]byte, error) {
	if s.server.DKIM == nil {
		return raw, nil
	}
	var out bytes.Buffer
	err := dkim.Sign(&out, bytes.NewReader(raw), &dkim.SignOptions{
		Domain: s.server.DKIM.Domain, Selector: s.server.DKIM.Selector, Signer: s.server.DKIM.Key,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		HeaderKeys: signed,
	})
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	return out.Bytes(), nil
}
