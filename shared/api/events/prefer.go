package events

import (
	"encoding/json"
	"strings"
)

// Preference is the header Prefer (RFC 7240) of a publish. It is exported because
// huma fills only embedded structs that are exported. It is not in the
// request's hash, so it does not matter when a stored reply is sent again.
type Preference struct {
	Prefer string `header:"Prefer" doc:"#Prefer" example:"return=representation"`
}

// returns is what the client wants of the reply: "representation", "minimal" or
// anything else. The first `return` counts.
func (p Preference) returns() string {
	for one := range strings.SplitSeq(p.Prefer, ",") {
		one, _, _ = strings.Cut(one, ";")
		name, value, _ := strings.Cut(one, "=")
		if strings.EqualFold(strings.TrimSpace(name), "return") {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}

// applied is the reply's Preference-Applied, "" for none.
func (p Preference) applied() string {
	if returns := p.returns(); returns == "representation" || returns == "minimal" {
		return "return=" + returns
	}
	return ""
}

// shown returns data if the reply shall have them.
func (p Preference) shown(data json.RawMessage) json.RawMessage {
	if p.returns() == "representation" {
		return data
	}
	return nil
}
