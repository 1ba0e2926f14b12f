package api

import (
	"maps"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/api/edge"
)

// replyHeaders explains the headers of replies.
func replyHeaders() map[string]*huma.Header {
	header := func(text, example string) *huma.Header {
		return &huma.Header{Description: text, Example: example, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return map[string]*huma.Header{
		edge.RequestIDHeader: header("Names the request in the log.", exampleRequestID),
		"Location":           header("The path of what was made.", "/v1/events/evt_01jdf3z9k2e4nv6xq8r0s1t2u3"),
		edge.ReplayedHeader:  header("`true`: this is the stored reply of an earlier request with the same Idempotency-Key, and nothing was done. Otherwise left out.", "true"),
		"Retry-After":        header("How many seconds to wait before the next try.", "1"),
		"WWW-Authenticate":   header("How to authenticate.", "Bearer"),
	}
}

func headerRefs(names ...string) map[string]*huma.Header {
	refs := map[string]*huma.Header{}
	for _, name := range names {
		refs[name] = &huma.Header{Ref: "#/components/headers/" + name}
	}
	return refs
}

// problemHeaders are those of a problem with a status.
func problemHeaders(status int) map[string]*huma.Header {
	switch status {
	case http.StatusUnauthorized:
		return headerRefs(edge.RequestIDHeader, "WWW-Authenticate")
	case http.StatusServiceUnavailable:
		return headerRefs(edge.RequestIDHeader, "Retry-After")
	case http.StatusTooManyRequests: // only the gateway's
		return nil
	}
	return headerRefs(edge.RequestIDHeader)
}

// describeReplies says of every operation's success which headers and which
// media type it has.
func describeReplies(d *huma.OpenAPI) {
	d.Components.Headers = replyHeaders()
	for _, o := range All() {
		op := o.Meta()
		for status, reply := range edge.Described(d, op).Responses {
			if !strings.HasPrefix(status, "2") {
				continue
			}
			names := []string{edge.RequestIDHeader}
			if _, ok := reply.Headers["Location"]; ok {
				names = append(names, "Location")
			}
			if op.Audit != "" {
				names = append(names, edge.ReplayedHeader)
			}
			reply.Headers = headerRefs(names...)
			if op.Media != "" {
				maps.DeleteFunc(reply.Content, func(string, *huma.MediaType) bool { return true })
				reply.Content[op.Media] = &huma.MediaType{Schema: &huma.Schema{Type: mediaTypes[op.Media]}}
			}
		}
	}
}

// mediaTypes are what replies may be that have no Go type, and their JSON type.
var mediaTypes = map[string]string{"application/json": huma.TypeObject, "text/html": huma.TypeString}
