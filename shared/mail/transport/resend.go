package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/resend/resend-go/v3"
)

// Resend sends through Resend, which sends a mail once however often it is handed
// over within 24 hours.
type Resend struct{ client *resend.Client }

// NewResend returns a transport; base is the service's URL, which ends in a slash, or
// "" for its own.
func NewResend(apiKey, base string, timeout time.Duration) (*Resend, error) {
	client := resend.NewCustomClient(&http.Client{Timeout: timeout, Transport: observing{http.DefaultTransport}}, apiKey)
	if base != "" {
		u, err := url.Parse(base)
		if err != nil {
			return nil, err
		}
		client.BaseURL = u
	}
	return &Resend{client}, nil
}

// Dedupes reports that a repeated call does not send the mail twice.
func (r *Resend) Dedupes() bool { return true }

// Send returns Resend's id of the mail.
func (r *Resend) Send(ctx context.Context, m Message) (providerID string, err error) {
	m, err = m.checked()
	if err != nil {
		return "", err
	}
	var got answer
	out, err := r.client.Emails.SendWithOptions(context.WithValue(ctx, answerKey{}, &got), &resend.SendEmailRequest{
		From: m.From.quoted(), To: []string{m.To.quoted()}, ReplyTo: m.ReplyTo, Subject: m.Subject, Html: m.HTML, Text: m.Text,
		Headers: m.headers(), Tags: []resend.Tag{{Name: "mail_id", Value: m.ID}},
	}, &resend.SendEmailOptions{IdempotencyKey: m.ID})
	if err != nil {
		return "", resendFault(got, err)
	}
	return out.Id, nil
}

// answer is what the library does not tell of an error.
type answer struct {
	status           int // 0: there was no answer
	name, retryAfter string
}

type answerKey struct{}

// observing writes the status and the error's name of an answer to the answer that
// the request's context has.
type observing struct{ next http.RoundTripper }

// maxError is how much of an error is read.
const maxError = 64 << 10

func (o observing) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := o.next.RoundTrip(r)
	got, ok := r.Context().Value(answerKey{}).(*answer)
	if err != nil || !ok {
		return response, err
	}
	got.status, got.retryAfter = response.StatusCode, response.Header.Get("Retry-After")
	if response.StatusCode < 300 {
		return response, nil
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxError))
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(text))
	var body struct{ Name string }
	_ = json.Unmarshal(text, &body) // an answer that is no JSON has no name
	got.name = body.Name
	return response, nil
}

// resendFault says what an error means: by its name, because one status has
// several meanings, else by its status.
func resendFault(got answer, err error) error {
	switch got.name {
	case "rate_limit_exceeded", "daily_quota_exceeded", "monthly_quota_exceeded":
		return throttled(err, got.retryAfter, time.Now())
	case "concurrent_idempotent_requests", "invalid_idempotent_request":
		return ErrUnknown.Because(err) // an earlier try has no answer yet, or was accepted when the mail looked different
	case "missing_api_key", "restricted_api_key", "invalid_api_key", "invalid_access", "not_found", "method_not_allowed":
		return ErrAway.Because(err) // our key, not the mail
	}
	switch s := got.status; {
	case s == 0 && notSent(err) || errors.Is(err, resend.ErrFailedToCreateEmailsSendRequest):
		return ErrAway.Because(err)
	case s == 0, s >= 500, s < 300:
		return ErrUnknown.Because(err)
	case s == http.StatusTooManyRequests:
		return throttled(err, got.retryAfter, time.Now())
	case s == http.StatusBadRequest, s == http.StatusConflict, s == http.StatusUnprocessableEntity, s == http.StatusUnavailableForLegalReasons:
		return ErrRefused.Because(err)
	}
	return ErrAway.Because(err) // 403: the sender's domain is not verified
}
