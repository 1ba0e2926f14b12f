package web

import (
	"encoding/json"
	"strconv"

	"github.com/aws/aws-lambda-go/events"

	"portico/shared/jsontext"
)

// decode reads what this package uses of an event of payload format 2.0. An event
// that jsontext does not understand is left to encoding/json.
func decode(payload []byte) (event events.APIGatewayV2HTTPRequest, err error) {
	if jsontext.Read(payload, func(r *jsontext.Reader) { readEvent(r, &event) }) {
		return event, nil
	}
	event = events.APIGatewayV2HTTPRequest{}
	err = json.Unmarshal(payload, &event)
	return event, err
}

func readEvent(r *jsontext.Reader, event *events.APIGatewayV2HTTPRequest) {
	r.Object(func(name string) {
		switch name {
		case "rawPath":
			r.String(&event.RawPath)
		case "rawQueryString":
			r.String(&event.RawQueryString)
		case "cookies":
			r.List(func() {
				event.Cookies = append(event.Cookies, "")
				r.String(&event.Cookies[len(event.Cookies)-1])
			})
		case "headers":
			event.Headers = make(map[string]string, 16)
			r.Object(func(name string) {
				var value string
				r.String(&value)
				event.Headers[name] = value
			})
		case "requestContext":
			readContext(r, &event.RequestContext)
		case "body":
			r.String(&event.Body)
		case "isBase64Encoded":
			r.Bool(&event.IsBase64Encoded)
		default:
			r.Skip()
		}
	})
}

func readContext(r *jsontext.Reader, c *events.APIGatewayV2HTTPRequestContext) {
	r.Object(func(name string) {
		switch name {
		case "domainName":
			r.String(&c.DomainName)
		case "requestId":
			r.String(&c.RequestID)
		case "http":
			r.Object(func(name string) {
				switch name {
				case "method":
					r.String(&c.HTTP.Method)
				case "sourceIp":
					r.String(&c.HTTP.SourceIP)
				default:
					r.Skip()
				}
			})
		default:
			r.Skip()
		}
	})
}

// encode writes an answer in format 2.0.
func encode(out events.APIGatewayV2HTTPResponse) []byte {
	text := make([]byte, 0, len(out.Body)+len(out.Body)/8+512)
	text = strconv.AppendInt(append(text, `{"statusCode":`...), int64(out.StatusCode), 10)
	text = append(text, `,"headers":{`...)
	for name, value := range out.Headers {
		text = jsontext.AppendString(jsontext.AppendName(text, name), value)
	}
	text = append(text, '}')
	if len(out.Cookies) > 0 {
		text = append(text, `,"cookies":[`...)
		for i, cookie := range out.Cookies {
			if i > 0 {
				text = append(text, ',')
			}
			text = jsontext.AppendString(text, cookie)
		}
		text = append(text, ']')
	}
	if out.IsBase64Encoded {
		text = append(text, `,"isBase64Encoded":true`...)
	}
	return append(jsontext.AppendString(append(text, `,"body":`...), out.Body), '}')
}
