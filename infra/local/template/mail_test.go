package template_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"portico/infra/local/template"
)

const repository = "../../.."

func loadWithMail(root, domain string) (*template.Template, error) {
	return template.Load(filepath.Join(root, "template.yaml"), template.Options{Endpoint: "http://127.0.0.1:1", Parameters: map[string]string{"MailDomain": domain}})
}

// The repository's template has the queue of mail feedback, with its dead-letter
// queue, only if there is a domain to send from.
func TestMailDomain(t *testing.T) {
	for domain, want := range map[string]string{"": "", "example.com": "portico-mail-feedback-dead"} {
		tpl, err := loadWithMail(repository, domain)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, q := range tpl.Queues {
			if q.Name == "portico-mail-feedback" && q.MaxReceiveCount == 5 {
				got = q.DeadLetterQueue
			}
		}
		if got != want || (len(tpl.SES.Identities) > 0) != (domain != "") {
			t.Errorf("domain %q: the feedback's dead letters go to %q, want %q; SES %+v", domain, got, want, tpl.SES)
		}
	}
}

// A default takes the place of the template's, and gives way to a parameter.
func TestDefaults(t *testing.T) {
	for given, want := range map[string]string{"": "mail.local.example", "example.com": "mail.example.com"} {
		opts := template.Options{Defaults: map[string]string{"MailDomain": "local.example", "Unknown": "x"}, Parameters: map[string]string{}}
		if given != "" {
			opts.Parameters["MailDomain"] = given
		}
		tpl, err := template.Load(filepath.Join(repository, "template.yaml"), opts)
		if err != nil || len(tpl.SES.Identities) != 2 || !strings.HasSuffix(tpl.SES.Identities[1].Domain, want) {
			t.Errorf("%q: %+v, %v", given, tpl, err)
		}
	}
}

// SES's wiring is read as it is written; a part that is missing is an error where a
// deployment has one, and otherwise leads nowhere.
func TestMailWiring(t *testing.T) {
	const topic, feedback = "arn:aws:sns:us-east-1:000000000000:portico-mail-feedback", "portico-mail-feedback"
	// wiring is what is read, with fresh slices.
	wiring := func() template.SES {
		destinations := func() []template.EventDestination {
			return []template.EventDestination{{Name: "feedback", TopicARN: topic, Events: []string{"send", "delivery", "bounce", "complaint", "reject", "deliveryDelay", "renderingFailure"}}}
		}
		return template.SES{
			Identities: []template.Identity{
				{Domain: "news.example.com", MailFrom: "bounce.news.example.com", ConfigurationSet: "portico-marketing"},
				{Domain: "mail.example.com", MailFrom: "bounce.mail.example.com", ConfigurationSet: "portico-product"},
			},
			ConfigurationSets: []template.ConfigurationSet{
				{Name: "portico-marketing", SuppressedReasons: []string{"BOUNCE", "COMPLAINT"}, Destinations: destinations()},
				{Name: "portico-product", SuppressedReasons: []string{"BOUNCE"}, Destinations: destinations()},
			},
			Subscriptions: []template.Subscription{{TopicARN: topic, Queue: feedback, Raw: true}},
		}
	}
	for name, tt := range map[string]struct {
		old, new string
		change   func(*template.SES)
		err      string
	}{
		"as it is": {},
		"fewer events": {"[send, delivery, bounce, complaint, reject, deliveryDelay, renderingFailure]", "[send]", func(s *template.SES) {
			s.ConfigurationSets[0].Destinations[0].Events, s.ConfigurationSets[1].Destinations[0].Events = []string{"send"}, []string{"send"}
		}, ""},
		"destinations are off": {"Enabled: true\n        Match", "Enabled: false\n        Match", func(s *template.SES) {
			s.ConfigurationSets[0].Destinations, s.ConfigurationSets[1].Destinations = nil, nil
		}, ""},
		"another protocol":       {"Protocol: sqs", "Protocol: email", func(s *template.SES) { s.Subscriptions = nil }, ""},
		"in SNS's envelope":      {"RawMessageDelivery: true", "RawMessageDelivery: false", func(s *template.SES) { s.Subscriptions[0].Raw = false }, ""},
		"SES may not publish":    {"Action: sns:Publish", "Action: sns:Subscribe", nil, "may not publish to the topic"},
		"other sets may publish": {"configuration-set/${Prefix}-*", "configuration-set/other-*", nil, "may not publish to the topic"},
		"SNS may not send":       {"Action: sqs:SendMessage", "Action: sqs:ReceiveMessage", nil, "may not send to the queue"},
		"another topic may send": {`"aws:SourceArn": !Ref FeedbackTopic`, `"aws:SourceArn": other`, nil, "may not send to the queue"},
	} {
		tpl, err := loadWithMail(changed(t, tt.old, tt.new), "example.com")
		if tt.err != "" || err != nil {
			if err == nil || tt.err == "" || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		want := wiring()
		if tt.change != nil {
			tt.change(&want)
		}
		if d := cmp.Diff(want, tpl.SES, cmpopts.IgnoreUnexported(template.SES{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// changed returns a copy of the repository's templates with one text of
// infra/email.yaml replaced.
func changed(t *testing.T, old, new string) string {
	t.Helper()
	dir := t.TempDir()
	files, err := filepath.Glob(filepath.Join(repository, "infra", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join(repository, "template.yaml")) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if filepath.Base(file) == "email.yaml" && old != "" {
			if !strings.Contains(text, old) {
				t.Fatalf("%s is not in %s", old, file)
			}
			text = strings.ReplaceAll(text, old, new)
		}
		name, err := filepath.Rel(repository, file)
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
