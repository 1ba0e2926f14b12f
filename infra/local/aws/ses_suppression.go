package aws

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// suppressed is an address to which SES sends no mail.
type suppressed struct {
	address, reason, mail, feedback string
	at                              time.Time
}

// suppress puts addresses on the account's list, if the mail's configuration set
// has the reason. Those of the simulator never are.
func (s *Server) suppress(m Mail, recipients []string, reason, feedback string) {
	s.ses.mu.Lock()
	defer s.ses.mu.Unlock()
	for _, address := range recipients {
		if s.simulated(address) == "" && slices.Contains(s.reasons(m.ConfigurationSet), reason) {
			s.ses.put(suppressed{address, reason, m.ID, feedback, s.opts.Clock()})
		}
	}
}

func (l *service) put(entry suppressed) {
	if l.suppressed == nil {
		l.suppressed = map[string]suppressed{}
	}
	l.suppressed[strings.ToLower(entry.address)] = entry
}

func (s *Server) isSuppressed(m Mail, address string) bool {
	s.ses.mu.Lock()
	defer s.ses.mu.Unlock()
	entry, ok := s.ses.suppressed[strings.ToLower(address)]
	return ok && slices.Contains(s.reasons(m.ConfigurationSet), entry.reason)
}

// entry is a row of the list, as SES shows it.
func (e suppressed) entry() map[string]any {
	return map[string]any{"EmailAddress": e.address, "Reason": e.reason, "LastUpdateTime": float64(e.at.UnixMilli()) / 1000}
}

func (s *Server) serveSuppressed(method, escaped string) (any, error) {
	address, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, invalid("BadRequestException", "%v", err)
	}
	s.ses.mu.Lock()
	defer s.ses.mu.Unlock()
	e, ok := s.ses.suppressed[strings.ToLower(address)]
	switch {
	case !ok:
		return nil, &apiError{http.StatusNotFound, "NotFoundException", "Email address " + address + " does not exist on your suppression list."}
	case method == http.MethodDelete:
		delete(s.ses.suppressed, strings.ToLower(address))
		return nil, nil
	case method == http.MethodGet:
		out := e.entry()
		out["Attributes"] = map[string]string{"MessageId": e.mail, "FeedbackId": e.feedback}
		return map[string]any{"SuppressedDestination": out}, nil
	}
	return nil, unknownOperation(method + " of a suppressed destination")
}

func (s *Server) putSuppressed(r *http.Request) error {
	var in struct{ EmailAddress, Reason string }
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxRequestBytes)).Decode(&in); err != nil || in.EmailAddress == "" || in.Reason != "BOUNCE" && in.Reason != "COMPLAINT" {
		return invalid("BadRequestException", "needs EmailAddress and a Reason, BOUNCE or COMPLAINT")
	}
	s.ses.mu.Lock()
	defer s.ses.mu.Unlock()
	s.ses.put(suppressed{address: in.EmailAddress, reason: in.Reason, at: s.opts.Clock()})
	return nil
}

// maxListed is the size of SES's pages.
const maxListed = 1000

func (s *Server) listSuppressed(query url.Values) (any, error) {
	size := maxListed
	if text := query.Get("PageSize"); text != "" {
		if _, err := fmt.Sscan(text, &size); err != nil || size < 1 || size > maxListed {
			return nil, invalid("BadRequestException", "PageSize must be between 1 and %d", maxListed)
		}
	}
	var since, until time.Time
	for name, at := range map[string]*time.Time{"StartDate": &since, "EndDate": &until} {
		if text := query.Get(name); text != "" {
			var err error
			if *at, err = time.Parse(time.RFC3339, text); err != nil {
				return nil, invalid("BadRequestException", "%s: %v", name, err)
			}
		}
	}
	s.ses.mu.Lock()
	defer s.ses.mu.Unlock()
	var found []suppressed
	for _, e := range s.ses.suppressed {
		wanted := len(query["Reason"]) == 0 || slices.Contains(query["Reason"], e.reason)
		if wanted && strings.ToLower(e.address) > query.Get("NextToken") && !e.at.Before(since) && (until.IsZero() || e.at.Before(until)) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b suppressed) int {
		return strings.Compare(strings.ToLower(a.address), strings.ToLower(b.address))
	})
	out := map[string]any{}
	if len(found) > size {
		found = found[:size]
		out["NextToken"] = strings.ToLower(found[size-1].address)
	}
	entries := []any{}
	for _, e := range found {
		entries = append(entries, e.entry())
	}
	out["SuppressedDestinationSummaries"] = entries
	return out, nil
}
