package webhooks

import (
	"strings"
	"time"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/webhook"
	"portico/shared/webhook/sending"
)

type attemptBody struct {
	Number       int16       `json:"number" doc:"The number of the try; the first is 1." example:"1"`
	StartedAt    clock.Stamp `json:"started_at" format:"date-time" doc:"When the try began."`
	LatencyMS    float64     `json:"latency_ms" doc:"How long the try took, in milliseconds." example:"48.3"`
	StatusCode   *int16      `json:"status_code" doc:"The status of the receiver's response; null if there was none." example:"200"`
	Answer       *string     `json:"answer" enum:"2xx,3xx,4xx,5xx,timeout,dns,connection,tls,protocol" doc:"#Attempt.answer" example:"2xx"`
	Error        *string     `json:"error" doc:"Why the try failed; null if it succeeded."`
	ResponseBody string      `json:"response_body" doc:"#Attempt.response_body" example:"ok"`
	Exchange     *exchange   `json:"exchange,omitempty" doc:"How the request went; absent from tries of older versions of Portico."`
}

// exchange is how the request of a try went.
type exchange struct {
	Address            *string  `json:"address" doc:"The IP address of the receiver; null if none was dialled." example:"93.184.216.34"`
	ReusedConnection   bool     `json:"reused_connection" doc:"true: the connection was open already, so dns_ms, connect_ms and tls_ms are 0." example:"false"`
	DNSMS              float64  `json:"dns_ms" doc:"How long it took to resolve the host's name, in milliseconds." example:"3.1"`
	ConnectMS          float64  `json:"connect_ms" doc:"How long it took to connect, in milliseconds." example:"9.8"`
	TLSMS              float64  `json:"tls_ms" doc:"How long the TLS handshake took, in milliseconds." example:"20.4"`
	FirstByteMS        float64  `json:"first_byte_ms" doc:"#Exchange.first_byte_ms" example:"14.6"`
	RequestHeaders     []header `json:"request_headers" nullable:"false" doc:"#Exchange.request_headers"`
	ResponseHeaders    []header `json:"response_headers" nullable:"false" maxItems:"64" doc:"#Exchange.response_headers"`
	ResponseHeadersCut bool     `json:"response_headers_cut" doc:"true: the response had more headers than are kept." example:"false"`
}

// header is one value of an HTTP header.
type header struct {
	Name  string `json:"name" doc:"The name." example:"Content-Type"`
	Value string `json:"value" doc:"The value, or *** if it may be secret." example:"application/json"`
}

func showAttempt(event id.Event, a webhook.Attempt) attemptBody {
	return attemptBody{
		Number: a.Number, StartedAt: clock.Stamp(a.StartedAt), LatencyMS: milliseconds(a.Latency),
		StatusCode: a.StatusCode, Answer: (*string)(a.Answer), Error: a.Error, ResponseBody: readable(string(a.ResponseBody)),
		Exchange: showExchange(event, a),
	}
}

func showExchange(event id.Event, a webhook.Attempt) *exchange {
	e := a.Exchange
	if e == nil {
		return nil
	}
	shown := &exchange{
		ReusedConnection: e.Reused, DNSMS: milliseconds(e.DNS), ConnectMS: milliseconds(e.Connect), TLSMS: milliseconds(e.TLS),
		FirstByteMS: milliseconds(e.FirstByte), RequestHeaders: showHeaders(e.RequestHeaders(event, a.StartedAt)),
		ResponseHeaders: showHeaders(e.ResponseHeaders), ResponseHeadersCut: e.Cut,
	}
	if e.Address.IsValid() {
		shown.Address = new(e.Address.String())
	}
	return shown
}

func showHeaders(fields []sending.Field) []header {
	shown := make([]header, len(fields))
	for i, f := range fields {
		shown[i] = header{f.Name, readable(f.Value)}
	}
	return shown
}

// readable returns what a receiver sent as valid text.
func readable(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
