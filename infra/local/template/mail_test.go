package template_test

import (
	"testing"

	"portico/infra/local/template"
)

// The repository's template has the queue of mail feedback, with its dead-letter
// queue, only if there is a domain to send from.
func TestMailDomain(t *testing.T) {
	for domain, want := range map[string]string{"": "", "example.com": "portico-mail-feedback-dead"} {
		tpl, err := template.Load("../../../template.yaml", template.Options{Endpoint: "http://127.0.0.1:1", Parameters: map[string]string{"MailDomain": domain}})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, q := range tpl.Queues {
			if q.Name == "portico-mail-feedback" && q.MaxReceiveCount == 5 {
				got = q.DeadLetterQueue
			}
		}
		if got != want {
			t.Errorf("domain %q: the feedback's dead letters go to %q, want %q", domain, got, want)
		}
	}
}
