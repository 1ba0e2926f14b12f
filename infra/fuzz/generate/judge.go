package generate

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// details match what no reply may tell: SQL, Go, paths of files, other programs,
// hosts of ours, hashes. No text that this package sends matches one.
var details = regexp.MustCompile(`SQLSTATE|\bpgx|(?i:postgres|dynamo|dynalite|moto\b)|syntax error at or near|violates [a-z-]+ constraint|relation "|column "|permission denied for|\bportico_(app|worker|identity|master)\b|` +
	`goroutine \d|\.go:\d+|runtime error|panic:|nil pointer|interface conversion|cannot unmarshal|Go (struct|value)|reflect\.|strconv\.|json:|\bhuma\b|portico/shared|github\.com|` +
	`/(work|root|tmp|home|var|usr|proc)/[a-z]|127\.0\.0\.1:\d|localhost:|\[::1\]:\d|dial tcp|connection refused|context (canceled|deadline)|\bEOF\b|\\x[0-9a-f]{2}\\x|BEGIN [A-Z ]*PRIVATE|AKIA|password( authentication|=)`)

// plainKey matches an API key. Only the reply that creates one shows it.
var plainKey = regexp.MustCompile(`ptc_[0-9A-Za-z]{36}`)

// judge says what is wrong with a reply.
type judge struct {
	*Document
	secrets []string // texts that no reply shows
	foreign []string // texts that no reply to a customer shows: another organization's data
	named   string   // what requests of the customer have named: the audit log shows what was refused
}

// faults returns what is wrong with a reply.
func (j *judge) faults(r Request, reply Reply) (list []string) {
	if reply.Status >= 500 {
		list = append(list, "a server error")
	}
	if reply.Header.Get("X-Request-Id") == "" {
		return append(list, refusedBefore(reply)...)
	}
	success := reply.Status < 300
	if success && r.MustBeDenied {
		list = append(list, "it is accepted and must not be")
	}
	operation, fault := j.described(r, reply)
	if fault != "" {
		list = append(list, fault)
	}
	if success && operation != nil && operation.Body != nil {
		if err := j.acceptable(operation, r.Body); err != nil {
			list = append(list, fmt.Sprintf("the body is accepted, but does not match its description: %v", err))
		}
	}
	if operation != nil && !operation.Keyed && success {
		return list // the documentation is public, and speaks of everything
	}
	return append(list, j.leaks(r, reply)...)
}

// refusedBefore judges a reply that the API did not see: the HTTP server or the
// gateway refused the request.
func refusedBefore(reply Reply) []string {
	if slices.Contains([]int{400, 404, 405, 408, 411, 413, 414, 417, 431, 501, 505}, reply.Status) {
		return nil
	}
	return []string{"it has no X-Request-Id"}
}

// described compares a reply with its description, and returns the operation that
// has answered; nil: there is none with this method and path.
func (j *judge) described(r Request, reply Reply) (*Operation, string) {
	if reply.Status >= 400 {
		if r.Method == http.MethodHead {
			return nil, "" // it has no body
		}
		var problem struct {
			Status int
			Code   string
			Errors []struct{ Location, Message string }
		}
		if err := json.Unmarshal(reply.Body, &problem); err != nil {
			return nil, "the problem is not JSON: " + err.Error()
		}
		switch {
		case problem.Status != reply.Status:
			return nil, "the problem names another status"
		case reply.Status == http.StatusUnprocessableEntity && len(problem.Errors) == 0:
			return nil, "the problem names no field"
		case problem.Code == "no_such_route" || problem.Code == "method_not_allowed":
			if err := j.Check(reply.Body, "components", "schemas", "Problem"); err != nil {
				return nil, err.Error()
			}
			return nil, ""
		}
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	operation := j.Find(method, r.path())
	if operation == nil {
		return nil, "no operation has this method and path"
	}
	if err := j.CheckReply(operation, reply.Status, reply.Header.Get("Content-Type"), reply.Body); err != nil {
		return operation, err.Error()
	}
	return operation, ""
}

// acceptable returns why a body should have been refused, or nil.
func (j *judge) acceptable(o *Operation, body []byte) error {
	if len(body) == 0 {
		if required, _ := j.At(append(slices.Clone(o.at), "requestBody")...)["required"].(bool); required {
			return fmt.Errorf("it is missing")
		}
		return nil
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	err := j.CheckBody(o, body)
	if err != nil && j.CheckBody(o, encode(withoutNull(value))) == nil {
		return nil // a member that is null counts as left out
	}
	return err
}

func withoutNull(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if v[name] = withoutNull(member); member == nil {
				delete(v, name)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutNull(v[i])
		}
	}
	return value
}

// leaks returns what a reply tells that it must not. What the request itself says
// may be repeated.
func (j *judge) leaks(r Request, reply Reply) (list []string) {
	body := string(reply.Body)
	said := string(r.Body) + r.Target
	if decoded, err := url.QueryUnescape(r.Target); err == nil {
		said += decoded
	}
	if found := details.FindString(body); found != "" && !strings.Contains(said, found) {
		list = append(list, fmt.Sprintf("it tells a detail: %q", found))
	}
	if found := plainKey.FindString(body); found != "" && reply.Status != http.StatusCreated {
		list = append(list, "it shows an API key")
	}
	for _, secret := range j.secrets {
		if strings.Contains(body, secret) && !strings.Contains(said, secret) {
			list = append(list, "it shows a secret")
		}
	}
	if r.As == staffName {
		return list
	}
	if j.named += fmt.Sprint(said, r.Headers); strings.HasPrefix(r.Target, "/v1/audit-log") {
		said = j.named
	}
	for _, text := range j.foreign {
		if strings.Contains(body, text) && !strings.Contains(said, text) {
			list = append(list, "it shows another organization's "+text)
		}
	}
	return list
}
