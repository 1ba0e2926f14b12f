package lambdahost

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// ReadMailSecret reads a MailSecret.
func (h *Host) ReadMailSecret(ctx context.Context, name string) ([]byte, error) {
	out, err := secretsmanager.NewFromConfig(h.AWS).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		return nil, fmt.Errorf("MAIL_SECRET: %w", err)
	}
	return []byte(aws.ToString(out.SecretString)), nil
}

// MailSecret is the access to a mail service, in JSON.
type MailSecret struct {
	SMTP *struct {
		Host     string `json:"host"`
		Port     int    `json:"port"` // 0: 587
		Username string `json:"username"`
		Password string `json:"password"`
	} `json:"smtp"`
	Resend *struct {
		APIKey string `json:"api_key"`
		// WebhookSecret is that of the webhook by which Resend reports what became of
		// mails. "": it does not.
		WebhookSecret string `json:"webhook_secret"`
	} `json:"resend"`
}

// ErrMailSecret is returned for a secret that names no service. It does not quote it.
var ErrMailSecret = errors.New(`it must be JSON with one service: {"smtp":{"host":"smtp.example.com","port":587,"username":"…","password":"…"}} or {"resend":{"api_key":"re_…"}}`)
