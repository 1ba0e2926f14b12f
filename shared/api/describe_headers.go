package api

import (
	"maps"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/api/edge"
	"portico/shared/limit"
)

// replyHeaders explains the headers of replies.
func replyHeaders() map[string]*huma.Header {
	header := func(text, example string) *huma.Header {
		return &huma.Header{Description: text, Example: example, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return map[string]*huma.Header{
		edge.RequestIDHeader: header("The id of the request in the log.", exampleRequestID),
		"Location":           header("The path of the new object.", "/v1/events/evt_01jdf3z9k2e4nv6xq8r0s1t2v3"),
		edge.ReplayedHeader:  header("`true` if this is the stored reply of an earlier request with the same Idempotency-Key; this request changed nothing. Otherwise absent.", "true"),
		"Preference-Applied": header("The preference of the header Prefer that this reply follows. Otherwise absent.", "return=representation"),
		"Retry-After":        header("How many seconds to wait before the next try.", "1"),
		"WWW-Authenticate":   header("How to authenticate.", "Bearer"),

		"RateLimit-Policy":      header("The limits that count this request, as in draft-ietf-httpapi-ratelimit-headers-11: q is how much is allowed in w seconds.", `"requests";q=400;w=2, "work";q=60000;w=60;qu="work-units"`),
		"RateLimit":             header("What is left of each limit: r may still be used; all of it again after t seconds.", `"requests";r=399;t=1, "work";r=59998;t=60`),
		"X-RateLimit-Limit":     header("How much the tightest limit allows.", "400"),
		"X-RateLimit-Remaining": header("How much of the tightest limit is left.", "399"),
		"X-RateLimit-Reset":     header("After how many seconds all of the tightest limit may be used again.", "1"),
	}
}

func headerRefs(names ...string) map[string]*huma.Header {
	refs := map[string]*huma.Header{}
	for _, name := range names {
		refs[name] = &huma.Header{Ref: "#/components/headers/" + name}
	}
	return refs
}

// problemHeaders returns the headers of a problem with this status. Those of limits
// are in every reply to a caller with a key, but described once, because the
// reference would show them at each operation.
func problemHeaders(status int) map[string]*huma.Header {
	switch status {
	case http.StatusUnauthorized:
		return headerRefs(edge.RequestIDHeader, "WWW-Authenticate")
	case http.StatusServiceUnavailable:
		return headerRefs(edge.RequestIDHeader, "Retry-After")
	case http.StatusTooManyRequests:
		return headerRefs(append([]string{edge.RequestIDHeader, "Retry-After"}, limit.Headers...)...)
	}
	return headerRefs(edge.RequestIDHeader)
}

// describeReplies adds headers and media types to the successful replies of
// every operation.
func describeReplies(d *huma.OpenAPI) {
	d.Components.Headers = replyHeaders()
	for _, o := range All() {
		op := o.Meta()
		for status, reply := range edge.Described(d, op).Responses {
			if !strings.HasPrefix(status, "2") {
				continue
			}
			names := []string{edge.RequestIDHeader}
			for _, own := range []string{"Location", "Preference-Applied"} {
				if _, ok := reply.Headers[own]; ok {
					names = append(names, own)
				}
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

// mediaTypes are the media types of replies without a Go type, and their JSON
// types.
var mediaTypes = map[string]string{"application/json": huma.TypeObject, "text/html": huma.TypeString}
