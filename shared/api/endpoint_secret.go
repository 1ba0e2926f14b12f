package api

import (
	"net/http"
	"time"

	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/webhook"
)

// RotateWebhookEndpointSecret is POST /v1/webhook-endpoints/{id}/rotate-secret.
var RotateWebhookEndpointSecret = Write[rotateSecretInput, rotatedSecretOutput]{
	Op: Op{
		ID: "rotateWebhookEndpointSecret", Method: http.MethodPost, Path: "/v1/webhook-endpoints/{id}/rotate-secret", Function: endpointsFunction,
		Faults:     []*fault.Error{webhook.ErrEndpointNotFound},
		Example:    `{"overlap_seconds":86400}`,
		Permission: auth.WebhookEndpointsWrite, Cost: 1, Audit: "webhook_endpoint.rotate_secret",
		Tag: endpointsTag, Summary: "Give a webhook endpoint a new signing secret or key pair",
		Description: "The reply shows the new secret, this once. During the overlap deliveries are signed with the old secret too, so that the receiver can change over without losing any. At most two secrets sign: another rotation ends the oldest at once. An endpoint with the signature_scheme standard_asymmetric gets a new key pair in the same way: the reply shows its public_key, and the JWKS lists the old one too until the overlap ends.",
	},
	Handle: rotateWebhookEndpointSecret,
}

type rotateSecretInput struct {
	EndpointPath
	Body *rotateSecretBody
}

type rotateSecretBody struct {
	OverlapSeconds *int `json:"overlap_seconds,omitempty" minimum:"0" maximum:"604800" default:"86400" doc:"How long the old secret or key pair signs too: at most seven days; 0 ends it at once, for one that has leaked."`
}

// overlap is what the body says, or the default.
func (b *rotateSecretBody) overlap() time.Duration {
	if b == nil || b.OverlapSeconds == nil {
		return webhook.DefaultOverlap
	}
	return time.Duration(*b.OverlapSeconds) * time.Second
}

type rotatedSecretOutput struct {
	Body struct {
		EndpointBody
		Secret *string `json:"secret" doc:"Verifies Webhook-Signature. Shown this once. Null if the key pair was rotated." example:"whsec_…"`
	}
}

func rotateWebhookEndpointSecret(c *Call, in *rotateSecretInput) (*rotatedSecretOutput, error) {
	secret := webhook.NewSecret()
	endpoint, err := webhook.RotateSecret(c, c.Tx, c.Org, in.ID, secret, in.Body.overlap(), c.Now(), c.Box)
	if err != nil {
		return nil, err
	}
	out := &rotatedSecretOutput{}
	if out.Body.EndpointBody, err = showWithHealth(c, endpoint); err != nil {
		return nil, err
	}
	rotated := "key_pair"
	if endpoint.SignatureScheme != webhook.SchemeStandardAsymmetric {
		out.Body.Secret, rotated = &secret, "secret"
	}
	c.Audit(nil, audit.Fields{rotated: audit.Changed, "overlap_seconds": in.Body.overlap().Seconds()}, endpointTarget(endpoint.ID))
	return out, nil
}
