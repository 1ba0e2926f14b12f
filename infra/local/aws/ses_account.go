package aws

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"time"

	"portico/infra/local/template"
)

// Account is what SES allows the account.
type Account struct {
	Max24HourSend float64 // mails to single recipients; -1: any number
	MaxSendRate   float64 // a second
	Enforcement   string  // HEALTHY, PROBATION or SHUTDOWN
	Sandbox       bool    // mail goes to the simulator and to own addresses only
	Paused        bool    // sending is switched off
	// Held mails are accepted, and nothing becomes of them until Report.
	Held bool
}

// Account returns the settings.
func (s *Server) Account() Account {
	s.ses.mu.Lock()
	defer s.ses.mu.Unlock()
	return s.ses.settings
}

// SetAccount changes the settings.
func (s *Server) SetAccount(a Account) {
	s.ses.mu.Lock()
	defer s.ses.mu.Unlock()
	s.ses.settings = a
}

// defaultAccount is one that sets no limit to the local stack.
var defaultAccount = Account{Max24HourSend: -1, MaxSendRate: 10000, Enforcement: "HEALTHY"}

// day is the time over which SES counts the quota.
const day = 24 * time.Hour

// recent drops what was sent more than a day ago, and returns how much is left.
func (l *service) recent(now time.Time) int {
	old := 0
	for old < len(l.sent) && now.Sub(l.sent[old]) >= day {
		old++
	}
	l.sent = l.sent[old:]
	return len(l.sent)
}

// admit counts the recipients of a mail, or refuses it as the account's limits
// demand. As at SES, a mail to several needs room for one only.
func (s *Server) admit(m Mail) error {
	s.ses.mu.Lock()
	defer s.ses.mu.Unlock()
	a, now := s.ses.settings, s.opts.Clock()
	sent := s.ses.recent(now)
	lastSecond := 0
	for i := sent - 1; i >= 0 && now.Sub(s.ses.sent[i]) < time.Second; i-- {
		lastSecond++
	}
	switch {
	case a.Enforcement == "SHUTDOWN":
		return invalid("AccountSuspendedException", "Your account's ability to send email is permanently suspended.")
	case a.Paused:
		return invalid("SendingPausedException", "Email sending is disabled for your account.")
	case a.Sandbox && !s.verified(m):
		return invalid("MessageRejected", "Email address is not verified. The following identities failed the check in region %s: %s", strings.ToUpper(s.opts.Region), strings.Join(m.recipients(), ", "))
	case a.Max24HourSend >= 0 && float64(sent) >= a.Max24HourSend:
		return &apiError{http.StatusTooManyRequests, "TooManyRequestsException", "Daily message quota exceeded."}
	case float64(lastSecond) >= a.MaxSendRate:
		return &apiError{http.StatusTooManyRequests, "TooManyRequestsException", "Maximum sending rate exceeded."}
	}
	for range m.recipients() {
		s.ses.sent = append(s.ses.sent, now)
	}
	return nil
}

// verified reports whether all recipients may get mail in the sandbox.
func (s *Server) verified(m Mail) bool {
	for _, address := range m.recipients() {
		known := s.simulated(address) != ""
		for _, i := range s.ses.wiring.Identities {
			known = known || i.Domain == domainOf(address)
		}
		if !known {
			return false
		}
	}
	return true
}

// account answers GetAccount.
func (s *Server) account() any {
	s.ses.mu.Lock()
	defer s.ses.mu.Unlock()
	a := s.ses.settings
	return map[string]any{
		"DedicatedIpAutoWarmupEnabled": false, "EnforcementStatus": a.Enforcement, "ProductionAccessEnabled": !a.Sandbox,
		"SendingEnabled": !a.Paused && a.Enforcement != "SHUTDOWN", "SuppressionAttributes": map[string]any{"SuppressedReasons": []string{"BOUNCE", "COMPLAINT"}},
		"SendQuota": map[string]float64{"Max24HourSend": a.Max24HourSend, "MaxSendRate": a.MaxSendRate, "SentLast24Hours": float64(s.ses.recent(s.opts.Clock()))},
	}
}

// identity answers GetEmailIdentity. Its DKIM tokens are always the same.
func (s *Server) identity(name string) (any, error) {
	for _, i := range s.ses.wiring.Identities {
		if i.Domain == name {
			return s.identityOf(i), nil
		}
	}
	return nil, &apiError{http.StatusNotFound, "NotFoundException", fmt.Sprintf("Email identity %s does not exist.", name)}
}

func (s *Server) identityOf(i template.Identity) map[string]any {
	out := map[string]any{
		"IdentityType": "DOMAIN", "VerifiedForSendingStatus": true, "VerificationStatus": "SUCCESS", "FeedbackForwardingStatus": false,
		"DkimAttributes": map[string]any{
			"SigningEnabled": true, "Status": "SUCCESS", "SigningAttributesOrigin": "AWS_SES", "Tokens": tokens(i.Domain),
			"CurrentSigningKeyLength": "RSA_2048_BIT", "NextSigningKeyLength": "RSA_2048_BIT",
		},
		"Policies": map[string]string{}, "Tags": []string{},
	}
	if i.ConfigurationSet != "" {
		out["ConfigurationSetName"] = i.ConfigurationSet
	}
	if i.MailFrom != "" {
		out["MailFromAttributes"] = map[string]string{"MailFromDomain": i.MailFrom, "MailFromDomainStatus": "SUCCESS", "BehaviorOnMxFailure": "USE_DEFAULT_VALUE"}
	}
	return out
}

// tokens returns the three labels of a domain's DKIM records.
func tokens(domain string) []string {
	var list []string
	for i := range 3 {
		h := fnv.New128a()
		_, _ = fmt.Fprintf(h, "%s %d", domain, i) // never fails
		list = append(list, fmt.Sprintf("%x", h.Sum(nil)))
	}
	return list
}

// serveSES serves what is not SendEmail.
func (s *Server) serveSES(w http.ResponseWriter, r *http.Request) {
	const identities, list = "/v2/email/identities/", "/v2/email/suppression/addresses"
	where := r.URL.EscapedPath()
	var out any
	var err error
	switch address, below := strings.CutPrefix(where, list+"/"); {
	case r.Method == http.MethodGet && where == "/v2/email/account":
		out = s.account()
	case r.Method == http.MethodGet && strings.HasPrefix(where, identities):
		out, err = s.identity(strings.TrimPrefix(where, identities))
	case below:
		out, err = s.serveSuppressed(r.Method, address)
	case where == list && r.Method == http.MethodPut:
		err = s.putSuppressed(r)
	case where == list && r.Method == http.MethodGet:
		out, err = s.listSuppressed(r.URL.Query())
	default:
		err = unknownOperation(r.Method + " " + where)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	writeJSON(w, http.StatusOK, out)
}
