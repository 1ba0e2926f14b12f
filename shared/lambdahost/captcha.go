package lambdahost

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"portico/shared/captcha"
	"portico/shared/dynamo"
)

// captchaEnv says with which vendor CAPTCHAs are verified; Secret "": none can be,
// so what needs one is closed.
type captchaEnv struct {
	Vendor    string   `env:"CAPTCHA_VENDOR"`
	SiteKey   string   `env:"CAPTCHA_SITE_KEY"`
	Secret    string   `env:"CAPTCHA_SECRET"`
	Hostnames []string `env:"CAPTCHA_HOSTNAMES"`
	Endpoint  string   `env:"CAPTCHA_ENDPOINT"`
}

// Captcha returns what demands and verifies CAPTCHAs. Without a secret it still counts, so
// that what is below its limit passes.
func (h *Host) Captcha(ctx context.Context) (gate captcha.Gate, err error) {
	var (
		e      captchaEnv
		limits LimitEnv
		counts LimitTableEnv
	)
	if err := Read(&e, &limits, &counts); err != nil {
		return gate, err
	}
	table := dynamo.NewTable(dynamodb.NewFromConfig(h.AWS), counts.Table, "id")
	gate.Count = captcha.Counting(table, limits.Environments, h.Clock)
	if e.Secret == "" {
		return gate, nil
	}
	config := captcha.Config{Endpoint: e.Endpoint, SiteKey: e.SiteKey, Hostnames: e.Hostnames}
	if config.Vendor, err = captcha.VendorNamed(e.Vendor); err != nil {
		return gate, fmt.Errorf("CAPTCHA_VENDOR: %w", err)
	}
	out, err := secretsmanager.NewFromConfig(h.AWS).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.Secret})
	if err != nil {
		return gate, fmt.Errorf("CAPTCHA_SECRET: %w", err)
	}
	config.Secret = strings.TrimSpace(aws.ToString(out.SecretString))
	gate.Verifier = captcha.NewVerifier(config, table, h.Clock)
	return gate, nil
}
