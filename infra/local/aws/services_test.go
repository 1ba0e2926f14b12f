package aws_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"context"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secrettypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	mailtypes "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/google/go-cmp/cmp"

	"portico/infra/local/aws"
	local "portico/infra/local/lambda"
	"portico/infra/local/template"
)

var sealing = template.Secret{
	Name: "sealing", ARN: "arn:aws:secretsmanager:us-east-1:000000000000:secret:sealing-LOCAL1",
	Generate: &template.GenerateSecret{
		SecretStringTemplate: `{"current":"1"}`, GenerateStringKey: "1", PasswordLength: 64,
		ExcludePunctuation: true, RequireEachIncludedType: true,
	},
}

// A generated secret is the same after a restart and under its name and ARN.
func TestGeneratedSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "secrets.json")
	var values []string
	for range 2 {
		f := serve(t, aws.Options{SecretFile: file})
		if err := f.AddSecret(sealing); err != nil {
			t.Fatal(err)
		}
		client := secretsmanager.NewFromConfig(f.config)
		for _, id := range []string{sealing.Name, sealing.ARN} {
			out, err := client.GetSecretValue(ctx(t), &secretsmanager.GetSecretValueInput{SecretId: &id})
			if err != nil {
				t.Fatal(err)
			}
			if *out.Name != sealing.Name || *out.ARN != sealing.ARN || out.VersionStages[0] != "AWSCURRENT" || out.CreatedDate == nil {
				t.Errorf("got %+v", out)
			}
			values = append(values, *out.SecretString)
		}
	}
	var keys map[string]string
	if err := json.Unmarshal([]byte(values[0]), &keys); err != nil || keys["current"] != "1" || !regexp.MustCompile(`^[a-zA-Z0-9]{64}$`).MatchString(keys["1"]) {
		t.Errorf("got %s", values[0])
	}
	for _, v := range values[1:] {
		if v != values[0] {
			t.Errorf("the value changed from %s to %s", values[0], v)
		}
	}
}

func TestFixedSecretFollowsTheTemplate(t *testing.T) {
	f := serve(t, aws.Options{})
	client := secretsmanager.NewFromConfig(f.config)
	for _, value := range []string{"one", "two"} {
		if err := f.AddSecret(template.Secret{Name: "fixed", ARN: "arn:fixed", Value: value}); err != nil {
			t.Fatal(err)
		}
		out, err := client.GetSecretValue(ctx(t), &secretsmanager.GetSecretValueInput{SecretId: sdk.String("fixed")})
		if err != nil || *out.SecretString != value {
			t.Errorf("got %v, %v", out, err)
		}
	}
}

func TestSecretLookups(t *testing.T) {
	f := serve(t, aws.Options{})
	if err := f.AddSecret(sealing); err != nil {
		t.Fatal(err)
	}
	client := secretsmanager.NewFromConfig(f.config)
	var missing *secrettypes.ResourceNotFoundException
	if _, err := client.GetSecretValue(ctx(t), &secretsmanager.GetSecretValueInput{SecretId: sdk.String("nope")}); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
	if _, err := client.GetSecretValue(ctx(t), &secretsmanager.GetSecretValueInput{SecretId: &sealing.Name, VersionStage: sdk.String("AWSPREVIOUS")}); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
	if out, err := client.DescribeSecret(ctx(t), &secretsmanager.DescribeSecretInput{SecretId: &sealing.Name}); err != nil || *out.ARN != sealing.ARN {
		t.Errorf("got %v, %v", out, err)
	}
	if out, err := client.ListSecrets(ctx(t), &secretsmanager.ListSecretsInput{}); err != nil || len(out.SecretList) != 1 || *out.SecretList[0].Name != sealing.Name {
		t.Errorf("got %v, %v", out, err)
	}
	bad := template.Secret{Name: "bad", Generate: &template.GenerateSecret{PasswordLength: 2, RequireEachIncludedType: true}}
	if err := f.AddSecret(bad); err == nil {
		t.Error("a password that cannot be made was made")
	}
}

const rawMail = "From: Acme <a@acme.test>\r\nTo: b@x.test, C <c@x.test>\r\nSubject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\nReply-To: r@acme.test\r\n" +
	"Content-Type: multipart/alternative; boundary=X\r\n\r\n" +
	"--X\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nh=C3=A4\r\n" +
	"--X\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n--X--\r\n"

func TestSendEmail(t *testing.T) {
	f := serve(t, aws.Options{})
	client := sesv2.NewFromConfig(f.config)
	text := func(s string) *mailtypes.Content { return &mailtypes.Content{Data: &s} }
	to := &mailtypes.Destination{ToAddresses: []string{"b@x.test"}, CcAddresses: []string{"c@x.test"}, BccAddresses: []string{"d@x.test"}}
	for _, tt := range []struct {
		name string
		in   sesv2.SendEmailInput
		want aws.Mail
	}{
		{"simple", sesv2.SendEmailInput{
			FromEmailAddress: sdk.String("a@acme.test"), Destination: to, ReplyToAddresses: []string{"r@acme.test"},
			Content: &mailtypes.EmailContent{Simple: &mailtypes.Message{Subject: text("Hi"), Body: &mailtypes.Body{Text: text("plain"), Html: text("<b>x</b>")}}},
		}, aws.Mail{
			From: "a@acme.test", To: []string{"b@x.test"}, Cc: []string{"c@x.test"}, Bcc: []string{"d@x.test"},
			ReplyTo: []string{"r@acme.test"}, Subject: "Hi", Text: "plain", HTML: "<b>x</b>",
		}},
		{"raw", sesv2.SendEmailInput{Content: &mailtypes.EmailContent{Raw: &mailtypes.RawMessage{Data: []byte(rawMail)}}}, aws.Mail{
			From: "Acme <a@acme.test>", To: []string{"b@x.test", "c@x.test"}, ReplyTo: []string{"r@acme.test"},
			Subject: "Grüße", Text: "hä", HTML: "<b>hi</b>", Raw: []byte(rawMail),
		}},
		{"template", sesv2.SendEmailInput{
			FromEmailAddress: sdk.String("a@acme.test"), Destination: &mailtypes.Destination{ToAddresses: []string{"b@x.test"}},
			Content: &mailtypes.EmailContent{Template: &mailtypes.Template{
				TemplateName: sdk.String("welcome"), TemplateData: sdk.String(`{"name":"Ada"}`),
				TemplateContent: &mailtypes.EmailTemplateContent{Subject: sdk.String("Hi {{name}}"), Text: sdk.String("{{ name }}!")},
			}},
		}, aws.Mail{
			From: "a@acme.test", To: []string{"b@x.test"}, Template: "welcome", Data: `{"name":"Ada"}`, Subject: "Hi Ada", Text: "Ada!",
		}},
	} {
		out, err := client.SendEmail(ctx(t), &tt.in)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got, ok := f.Mailbox().Get(*out.MessageId)
		if newest := f.Mailbox().List()[0]; !ok || newest.ID != got.ID || got.At.IsZero() {
			t.Errorf("%s: %s is not the newest mail", tt.name, *out.MessageId)
		}
		got.ID, got.At, got.Events = "", time.Time{}, nil
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
	var bad *mailtypes.BadRequestException
	_, err := client.SendEmail(ctx(t), &sesv2.SendEmailInput{Content: &mailtypes.EmailContent{Simple: &mailtypes.Message{Subject: text("Hi"), Body: &mailtypes.Body{}}}})
	if !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

func TestInvoke(t *testing.T) {
	events := make(chan string, 1)
	invoke := func(_ context.Context, name string, payload []byte) ([]byte, error) {
		switch name {
		case "echo":
			return payload, nil
		case "event":
			events <- string(payload)
			return nil, nil
		case "fail":
			return nil, &local.FunctionError{Type: "E", Message: "no luck", Payload: []byte(`{"errorMessage":"no luck"}`)}
		case "busy":
			return nil, local.ErrThrottled
		}
		return nil, aws.ErrNoFunction
	}
	f := serve(t, aws.Options{Invoke: invoke})
	client := lambda.NewFromConfig(f.config)
	call := func(name string, kind lambdatypes.InvocationType) (*lambda.InvokeOutput, error) {
		return client.Invoke(ctx(t), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{"a":1}`), InvocationType: kind})
	}
	for _, name := range []string{"echo", "echo:live", "arn:aws:lambda:us-east-1:000000000000:function:echo:live"} {
		if out, err := call(name, ""); err != nil || string(out.Payload) != `{"a":1}` || out.StatusCode != 200 || out.FunctionError != nil {
			t.Errorf("%s: got %+v, %v", name, out, err)
		}
	}
	if out, err := call("event", "Event"); err != nil || out.StatusCode != 202 || <-events != `{"a":1}` {
		t.Errorf("got %+v, %v", out, err)
	}
	if out, err := call("fail", ""); err != nil || *out.FunctionError != "Unhandled" || string(out.Payload) != `{"errorMessage":"no luck"}` {
		t.Errorf("got %+v, %v", out, err)
	}
	var missing *lambdatypes.ResourceNotFoundException
	if _, err := call("nobody", ""); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
	var busy *lambdatypes.TooManyRequestsException
	if _, err := call("busy", ""); !errors.As(err, &busy) {
		t.Errorf("got %v", err)
	}
}

// Operations that are not served return a clear error.
func TestUnknownOperation(t *testing.T) {
	f := serve(t, aws.Options{})
	_, err := sesv2.NewFromConfig(f.config).ListEmailIdentities(ctx(t), &sesv2.ListEmailIdentitiesInput{})
	if err == nil || !strings.Contains(err.Error(), "the local stack does not serve") {
		t.Errorf("got %v", err)
	}
	_, err = secretsmanager.NewFromConfig(f.config).DeleteSecret(ctx(t), &secretsmanager.DeleteSecretInput{SecretId: sdk.String("x")})
	if err == nil || !strings.Contains(err.Error(), "the local stack does not serve") {
		t.Errorf("got %v", err)
	}
}
