package webhooks

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/webhook"
	"portico/shared/webhook/signing"
)

// RotateSecret is POST /v1/webhook-endpoints/{id}/rotate-secret.
var RotateSecret = edge.Write[rotateSecretInput, rotatedSecretOutput]{
	Op: edge.Op{
		ID: "rotateWebhookEndpointSecret", Method: http.MethodPost, Path: "/v1/webhook-endpoints/{id}/rotate-secret", Function: endpointsFunction,
		Faults:     []*fault.Error{webhook.ErrEndpointNotFound},
		Example:    `{"overlap_seconds":86400}`,
		Permission: auth.WebhookEndpointsWrite, Fresh: true, Cost: 1, Audit: "webhook_endpoint.rotate_secret",
		Tag: Tag, Summary: "Give a webhook endpoint a new signing secret or key pair",
		Description: "#rotateWebhookEndpointSecret",
	},
	Handle: rotateSecret,
}

type rotateSecretInput struct {
	EndpointPath
	Body *rotateSecretBody
}

type rotateSecretBody struct {
	OverlapSeconds *int `json:"overlap_seconds,omitempty" minimum:"0" maximum:"604800" default:"86400" doc:"How long the old secret or key pair signs too: at most seven days. Send 0 if it has leaked: it ends at once."`
}

// overlap returns the overlap that the body asks for, or the default.
func (b *rotateSecretBody) overlap() time.Duration {
	if b == nil || b.OverlapSeconds == nil {
		return webhook.DefaultOverlap
	}
	return time.Duration(*b.OverlapSeconds) * time.Second
}

type rotatedSecretOutput struct {
	Body struct {
		EndpointBody
		Secret *string `json:"secret" doc:"Verifies Webhook-Signature. It is never shown again. Null if the key pair was rotated." example:"whsec_…"`
	}
}

func rotateSecret(c *edge.Call, in *rotateSecretInput) (*rotatedSecretOutput, error) {
	secret := signing.NewSecret()
	endpoint, err := webhook.RotateSecret(c, c.Tx, c.Org, in.ID, secret, in.Body.overlap(), c.Now(), c.Box)
	if err != nil {
		return nil, err
	}
	out := &rotatedSecretOutput{}
	if out.Body.EndpointBody, err = showWithHealth(c, endpoint); err != nil {
		return nil, err
	}
	rotated := "key_pair"
	if endpoint.SignatureScheme != signing.SchemeStandardAsymmetric {
		out.Body.Secret, rotated = &secret, "secret"
	}
	c.Audit(nil, audit.Fields{rotated: audit.Changed, "overlap_seconds": in.Body.overlap().Seconds()}, endpointTarget(endpoint.ID))
	return out, nil
}

// GetPublicKeys is GET /v1/webhook-endpoints/{id}/jwks.
var GetPublicKeys = edge.Read[EndpointPath, endpointKeysOutput]{
	Op: edge.Op{
		ID: "getWebhookEndpointKeys", Method: http.MethodGet, Path: "/v1/webhook-endpoints/{id}/jwks", Function: endpointsFunction,
		Faults:     []*fault.Error{webhook.ErrEndpointNotFound},
		Permission: auth.WebhookEndpointsRead, Cost: 1, Access: "webhook_endpoint.read", Tag: Tag, Summary: "Get the public keys of a webhook endpoint as JWKS",
		Description: "#getWebhookEndpointKeys",
	},
	Handle: getPublicKeys,
}

// jsonWebKey is an Ed25519 public key (RFC 8037).
type jsonWebKey struct {
	KeyType   string `json:"kty" enum:"OKP" doc:"The kind of key."`
	Curve     string `json:"crv" enum:"Ed25519" doc:"The curve."`
	X         string `json:"x" doc:"The key, base64url." example:"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
	ID        string `json:"kid" doc:"The key's thumbprint." example:"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"`
	Algorithm string `json:"alg" enum:"EdDSA" doc:"The algorithm."`
	Use       string `json:"use" enum:"sig" doc:"What the key is for."`
}

type endpointKeysOutput struct {
	Body struct {
		Keys []jsonWebKey `json:"keys" nullable:"false" doc:"The public keys, newest first."`
	}
}

func getPublicKeys(c *edge.Call, in *EndpointPath) (*endpointKeysOutput, error) {
	endpoint, err := webhook.GetEndpoint(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	out := &endpointKeysOutput{}
	out.Body.Keys = []jsonWebKey{}
	for _, key := range []ed25519.PublicKey{endpoint.PublicKey, endpoint.OldPublicKey} {
		if key != nil {
			out.Body.Keys = append(out.Body.Keys, jsonWebKey{
				KeyType: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(key),
				ID: signing.Thumbprint(key), Algorithm: "EdDSA", Use: "sig",
			})
		}
	}
	return out, nil
}
