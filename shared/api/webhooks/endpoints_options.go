package webhooks

import (
	"time"

	"portico/shared/fault"
	"portico/shared/webhook"
	"portico/shared/webhook/signing"
)

// EndpointOptions are the options that requests can set. It is exported because
// huma fills and describes only embedded structs that are exported.
type EndpointOptions struct {
	RetryPolicy       *string            `json:"retry_policy,omitempty" enum:"default,fast,best_effort,custom" doc:"#EndpointOptions.retry_policy"`
	RetrySchedule     []int32            `json:"retry_schedule,omitempty" nullable:"false" doc:"#EndpointOptions.retry_schedule" example:"[10,60,3600]"`
	TimeoutSeconds    *int16             `json:"timeout_seconds,omitempty" minimum:"1" maximum:"30" doc:"How long a try may take, from connecting to the end of the response. The default is 10."`
	CustomHeaders     map[string]string  `json:"custom_headers,omitempty" doc:"#EndpointOptions.custom_headers"`
	Metadata          map[string]string  `json:"metadata,omitempty" doc:"Up to 50 texts of your own, stored with the endpoint. Replaces all metadata set before; {} removes it."`
	ClientCertificate *ClientCertificate `json:"client_certificate,omitempty" doc:"The certificate for servers that demand a client certificate (mTLS). Replaces the one set before; {} removes it."`
	RateLimit         *int32             `json:"rate_limit,omitempty" minimum:"0" maximum:"10000" doc:"#EndpointOptions.rate_limit"`
	Ordered           *bool              `json:"ordered,omitempty" doc:"#EndpointOptions.ordered"`
	Exhaustion        *string            `json:"exhaustion_policy,omitempty" enum:"pause,skip" doc:"#EndpointOptions.exhaustion_policy"`
	SignatureScheme   *string            `json:"signature_scheme,omitempty" enum:"portico,standard,standard_asymmetric" doc:"#EndpointOptions.signature_scheme"`
	Filter            *string            `json:"filter,omitempty" doc:"#EndpointOptions.filter" example:"data.total > 100"`
}

// change returns the requested change of the options, or all errors in it.
func (o EndpointOptions) change(now time.Time) (webhook.OptionsChange, error) {
	certificate, err := o.ClientCertificate.parse(now)
	c := webhook.OptionsChange{
		ClientCertificate: certificate,
		RetryPolicy:       o.RetryPolicy, RetrySchedule: o.RetrySchedule, TimeoutSeconds: o.TimeoutSeconds,
		CustomHeaders: o.CustomHeaders, Metadata: o.Metadata, SignatureScheme: o.SignatureScheme,
		Filter: o.Filter, RateLimit: o.RateLimit, Ordered: o.Ordered, ExhaustionPolicy: o.Exhaustion,
	}
	return c, fault.Join(err, c.Check())
}

// ShownOptions is an endpoint's options as replies show them.
type ShownOptions struct {
	RetryPolicy       string            `json:"retry_policy" enum:"default,fast,best_effort,custom" doc:"When a failed delivery is tried again."`
	RetrySchedule     []int32           `json:"retry_schedule" nullable:"false" doc:"The waits between tries in seconds, with the retry_policy custom; empty with any other." example:"[]"`
	TimeoutSeconds    int16             `json:"timeout_seconds" doc:"How long a try may take, from connecting to the end of the response." example:"10"`
	CustomHeaders     map[string]string `json:"custom_headers" doc:"The names of the headers. Each value is shown as ***." example:"{\"Authorization\":\"***\"}"`
	Metadata          map[string]string `json:"metadata" doc:"Texts of your own, stored with the endpoint." example:"{\"team\":\"billing\"}"`
	RateLimit         *int32            `json:"rate_limit" doc:"The most deliveries per second; null: no limit."`
	Ordered           bool              `json:"ordered" doc:"Whether deliveries of events with the same ordering_key are sent one after another."`
	Exhaustion        string            `json:"exhaustion_policy" enum:"pause,skip" doc:"What happens with an ordering key when a delivery has finally failed."`
	SignatureScheme   string            `json:"signature_scheme" enum:"portico,standard,standard_asymmetric" doc:"How deliveries are signed."`
	ClientCertificate *ShownCertificate `json:"client_certificate" doc:"The certificate for servers that demand one; null if none is set."`
	PublicKey         *string           `json:"public_key" doc:"#ShownOptions.public_key" example:"whpk_…"`
	Filter            string            `json:"filter" doc:"Only events for which this expression is true are delivered; empty: all events." example:"data.total > 100"`
}

// hidden is shown instead of the value of a custom header.
const hidden = "***"

func showOptions(o webhook.Options) ShownOptions {
	shown := ShownOptions{
		RetryPolicy: o.RetryPolicy, RetrySchedule: o.RetrySchedule, TimeoutSeconds: o.TimeoutSeconds,
		CustomHeaders: map[string]string{}, Metadata: o.Metadata, SignatureScheme: o.SignatureScheme,
		Filter: o.Filter, RateLimit: o.RateLimit, Ordered: o.Ordered, Exhaustion: o.ExhaustionPolicy,
	}
	shown.ClientCertificate = showCertificate(o)
	for _, name := range o.HeaderNames {
		shown.CustomHeaders[name] = hidden
	}
	if o.PublicKey != nil {
		shown.PublicKey = new(signing.ShowPublicKey(o.PublicKey))
	}
	return shown
}
