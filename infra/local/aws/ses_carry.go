package aws

import (
	"cmp"
	"fmt"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"portico/infra/local/template"
)

// service is the state of SES besides the mailbox.
type service struct {
	wiring template.SES

	mu         sync.Mutex
	settings   Account
	sent       []time.Time           // in the last 24 hours, the oldest first
	suppressed map[string]suppressed // by address in small letters
}

// SetSES sets from which domains mail is sent, and where its events go. Without
// domains mail may be from any, and without configuration sets they may have any
// name. It is called before the server serves.
func (s *Server) SetSES(wiring template.SES) { s.ses.wiring = wiring }

// Simulator is the domain whose addresses act by themselves: success@, bounce@,
// ooto@, complaint@ and suppressionlist@, also with a label as in bounce+1@.
const Simulator = "simulator.amazonses.com"

// accept refuses what SES refuses, and completes the mail.
func (s *Server) accept(m *Mail) error {
	domain := domainOf(m.From)
	identities := s.ses.wiring.Identities
	i := slices.IndexFunc(identities, func(i template.Identity) bool { return i.Domain == domain })
	switch {
	case i >= 0:
		m.ConfigurationSet = cmp.Or(m.ConfigurationSet, identities[i].ConfigurationSet)
	case len(identities) > 0:
		return invalid("MessageRejected", "Email address is not verified. The following identities failed the check in region %s: %s", strings.ToUpper(s.opts.Region), m.From)
	}
	sets := s.ses.wiring.ConfigurationSets
	if len(sets) > 0 && m.ConfigurationSet != "" && !slices.ContainsFunc(sets, func(c template.ConfigurationSet) bool { return c.Name == m.ConfigurationSet }) {
		return &apiError{http.StatusNotFound, "NotFoundException", fmt.Sprintf("Configuration set <%s> does not exist.", m.ConfigurationSet)}
	}
	return s.admit(*m)
}

// eicar is the text that every virus scanner finds, in two parts so that none finds it here.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// carry decides what becomes of a mail that was accepted.
func (s *Server) carry(m Mail) {
	if strings.Contains(m.Text+m.HTML+string(m.Raw), eicar) {
		s.emit(m, Reject, "Bad content", map[string]any{"reason": "Bad content"}, nil)
		return
	}
	s.emit(m, Sent, "", map[string]any{}, nil)
	if s.Account().Held {
		return
	}
	var arrive []string
	for _, address := range m.recipients() {
		switch s.simulated(address) {
		case "bounce":
			s.bounce(m, []string{address}, general)
		case "suppressionlist":
			s.bounce(m, []string{address}, onGlobalList)
		case "complaint":
			s.deliver(m, []string{address})
			s.complain(m, []string{address})
		case "ooto":
			s.deliver(m, []string{address})
			s.bounce(m, []string{address}, outOfOffice)
		default:
			if s.isSuppressed(m, address) {
				s.bounce(m, []string{address}, onAccountList)
				continue
			}
			arrive = append(arrive, address)
		}
	}
	if len(arrive) > 0 {
		s.deliver(m, arrive)
	}
}

// simulated returns what an address of the simulator simulates, "" for others.
func (s *Server) simulated(address string) string {
	if parsed, err := mail.ParseAddress(address); err == nil {
		address = parsed.Address
	}
	local, domain, _ := strings.Cut(strings.ToLower(address), "@")
	if domain != Simulator {
		return ""
	}
	name, _, _ := strings.Cut(local, "+")
	return name
}

func (s *Server) reasons(configurationSet string) []string {
	for _, set := range s.ses.wiring.ConfigurationSets {
		if set.Name == configurationSet {
			return set.SuppressedReasons
		}
	}
	return nil
}
