package feedback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"portico/shared/id"
)

// MaxResend is the largest event of Resend that is read, in bytes.
const MaxResend = 256 << 10

// tolerance is how far the time of a signature may be from ours. An event that comes
// again within it does no harm, because reports may be applied again.
const tolerance = 5 * time.Minute

// Signature is what the headers of a webhook say (Standard Webhooks, as Svix sends it):
// svix-id, svix-timestamp and svix-signature.
type Signature struct{ ID, Timestamp, Signatures string }

// errSignature says no more, because whoever made it up should learn nothing.
var errSignature = errors.New("the signature is not Resend's, or is too old")

// ResendSecret decodes the secret of a webhook of Resend: whsec_ and base64.
func ResendSecret(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) < 16 {
		return nil, errors.New("the secret of a webhook of Resend begins with whsec_: copy it from Resend's page of the webhook")
	}
	return key, nil
}

// VerifyResend returns an error unless the body was signed with the key within the
// last minutes.
func VerifyResend(key []byte, s Signature, body []byte, now time.Time) error {
	seconds, err := strconv.ParseInt(s.Timestamp, 10, 64)
	if age := now.Sub(time.Unix(seconds, 0)); err != nil || s.ID == "" || age > tolerance || age < -tolerance {
		return errSignature
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", s.ID, s.Timestamp)
	mac.Write(body)
	want := mac.Sum(nil)
	for _, one := range strings.Fields(s.Signatures) { // several while the secret changes
		text, ok := strings.CutPrefix(one, "v1,")
		if given, err := base64.StdEncoding.DecodeString(text); ok && err == nil && hmac.Equal(given, want) {
			return nil
		}
	}
	return errSignature
}

// resendEvent is an event of Resend.
type resendEvent struct {
	Type      string `json:"type"`
	CreatedAt string `json:"created_at"`
	Data      struct {
		EmailID string          `json:"email_id"`
		Tags    json.RawMessage `json:"tags"`
		Bounce  struct {
			Type    string `json:"type"`
			SubType string `json:"subType"`
			Message string `json:"message"`
		} `json:"bounce"`
		Failed struct {
			Reason string `json:"reason"`
		} `json:"failed"`
	} `json:"data"`
}

// ReadResend reads an event of Resend.
func ReadResend(body []byte) (Report, error) {
	if len(body) > MaxResend {
		return Report{}, fmt.Errorf("it has %d bytes, more than %d", len(body), MaxResend)
	}
	var e resendEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return Report{}, fmt.Errorf("it is not an event of Resend: %w", err)
	}
	r := Report{Mail: mailOf(e.Data.Tags), ProviderID: e.Data.EmailID}
	r.At, _ = time.Parse(time.RFC3339, e.CreatedAt) // without a time, that of its arrival counts
	if r.Mail.IsZero() || !e.fill(&r) {
		return Report{}, ErrNotOurs
	}
	return r, nil
}

// fill sets what depends on the type of the event. It returns false for events that
// say nothing about whether the mail arrives, such as that a link was opened.
func (e *resendEvent) fill(r *Report) bool {
	switch e.Type {
	case "email.sent":
		r.What = Sent
	case "email.delivered":
		r.What = Delivered
	case "email.delivery_delayed":
		r.What = Delayed
	case "email.complained":
		r.What = Complained
	case "email.suppressed":
		r.What, r.Detail = Suppressed, "The mail service has the address in its list."
	case "email.failed":
		r.What, r.Detail = Rejected, e.Data.Failed.Reason
	case "email.bounced":
		b := e.Data.Bounce
		r.What, r.Detail = Bounced, strings.TrimSpace(b.Type+" "+b.SubType+": "+b.Message)
		switch {
		case b.Type == "Permanent" && b.SubType != "Suppressed":
			r.Bounce, r.Counts = Permanent, true
		case b.Type == "Permanent":
			r.What, r.Detail = Suppressed, "The mail service has the address in its list."
		case b.Type == "Transient" && b.SubType != "MessageTooLarge" && b.SubType != "ContentRejected" && b.SubType != "AttachmentRejected":
			r.Bounce = Transient
		case b.Type != "Transient":
			r.Bounce = Undetermined
		}
	default:
		return false
	}
	return true
}

// mailOf returns the mail that the tags name: a list of names and values, or an
// object.
func mailOf(tags json.RawMessage) (mail id.Mail) {
	var list []struct{ Name, Value string }
	var object map[string]string
	if json.Unmarshal(tags, &list) == nil {
		for _, t := range list {
			if t.Name == "mail_id" {
				mail, _ = id.Parse[id.Mail](t.Value)
			}
		}
	} else if json.Unmarshal(tags, &object) == nil {
		mail, _ = id.Parse[id.Mail](object["mail_id"])
	}
	return mail
}
