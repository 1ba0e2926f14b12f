package command

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

const (
	endpointsPath = "/v1/webhook-endpoints"
	endpointPath  = endpointsPath + "/%s"
	endpointID    = "the endpoint's id, we_…"
	sampleWE      = "we_01jdf3z9k2e4nv6xq8r0s1t2v3"
)

var endpointColumns = []column{
	{"ID", "id"}, {"STATUS", "status"}, {"BREAKER", "health.breaker"}, {"EVENT TYPES", "event_types"}, {"URL", "url"},
}

func (a *app) endpoints() *cobra.Command {
	return group("endpoints", "Webhook endpoints: where deliveries are sent",
		a.lists("List webhook endpoints", "portico endpoints list --all", endpointsPath, "webhook endpoints", endpointColumns,
			filter{flag: "status", parameter: "status", usage: "only enabled or disabled ones", values: []string{"enabled", "disabled"}},
			filter{flag: "failing", parameter: "failing", usage: "only those whose tries have failed since the last success", is: toggle},
		),
		a.gets("get ID", "Show a webhook endpoint with its health", "portico endpoints get "+sampleWE, endpointPath, endpointID),
		a.endpointStatistics(),
		a.createEndpoint(),
		a.updateEndpoint(),
		a.deletes("delete ID", "Delete a webhook endpoint", "portico endpoints delete "+sampleWE, endpointPath, endpointID),
		a.rotateEndpointSecret(),
		a.enableEndpoint(),
		a.disableEndpoint(),
		a.testEndpoint(),
		a.recoverEndpoint(),
		a.replayToEndpoint(),
	)
}

func (a *app) endpointStatistics() *cobra.Command {
	hours := 0
	cmd := a.command("statistics ID", "Show how many tries succeeded, how long they took, and what waits", "portico endpoints statistics "+sampleWE+" --hours 168", []string{endpointID},
		func(cmd *cobra.Command, args []string) error {
			path := endpointsPath + "/" + url.PathEscape(args[0]) + "/statistics"
			if cmd.Flags().Changed("hours") {
				path += "?hours=" + strconv.Itoa(hours)
			}
			return a.change(cmd, http.MethodGet, path, nil)
		})
	cmd.Flags().IntVar(&hours, "hours", 24, "how many hours, with the current one, at most 720")
	return cmd
}

// onEndpoint returns a command that changes one endpoint. path has a %s for its id.
func (a *app) onEndpoint(use, short, example, suffix string, method string, encode func(*cobra.Command) ([]byte, error)) *cobra.Command {
	return a.mutation(a.command(use+" ID", short, example, []string{endpointID}, func(cmd *cobra.Command, args []string) error {
		body, err := encode(cmd)
		if err != nil {
			return err
		}
		return a.change(cmd, method, endpointsPath+"/"+url.PathEscape(args[0])+suffix, body)
	}))
}

func (a *app) createEndpoint() *cobra.Command {
	var b *body
	cmd := a.mutation(a.command("create", "Create a webhook endpoint; the reply shows its secret, once",
		"portico endpoints create --url https://example.com/webhooks --types 'invoice.*,customer.created'", nil,
		func(cmd *cobra.Command, _ []string) error {
			text, err := b.encode(a)
			if err != nil {
				return err
			}
			if err := a.change(cmd, http.MethodPost, endpointsPath, text); err != nil || a.json {
				return err
			}
			a.err.Line("Keep the secret: it is not shown again.")
			return nil
		}))
	b = newBody(cmd)
	endpointFlags(b)
	return cmd
}

func (a *app) updateEndpoint() *cobra.Command {
	var b *body
	cmd := a.onEndpoint("update", "Change a webhook endpoint", "portico endpoints update "+sampleWE+" --timeout-seconds 15", "", http.MethodPatch,
		func(cmd *cobra.Command) ([]byte, error) {
			if !b.given() {
				return nil, misuse(cmd, "there is nothing to change: give a flag such as --types")
			}
			return b.encode(a)
		})
	b = newBody(cmd)
	endpointFlags(b)
	return cmd
}

// endpointFlags are what a person can set of an endpoint.
func endpointFlags(b *body) {
	b.text("url", "url", "where deliveries are sent: an absolute URL with https")
	b.texts("types", "event_types", "which events: types, prefixes such as invoice.*, or *")
	b.text("description", "description", "a note for people")
	b.text("filter", "filter", "only events for which this expression is true, such as 'data.total > 100'")
	b.text("retry-policy", "retry_policy", "when a failed delivery is tried again: default, fast, best_effort or custom", "default", "fast", "best_effort", "custom")
	b.numbers("retry-schedule", "retry_schedule", "with the retry policy custom: the waits in seconds, such as 10,60,3600")
	b.number("timeout-seconds", "timeout_seconds", "how long a try may take, 1 to 30")
	b.number("rate-limit", "rate_limit", "the most deliveries per second; 0: no limit")
	b.boolean("ordered", "ordered", "deliver events with the same ordering key one after another")
	b.text("exhaustion-policy", "exhaustion_policy", "what happens with an ordering key when a delivery has finally failed: pause or skip", "pause", "skip")
	b.text("signature-scheme", "signature_scheme", "portico, standard or standard_asymmetric", "portico", "standard", "standard_asymmetric")
	b.pairs("header", "custom_headers", "a header of each delivery, as `NAME=VALUE`; may be repeated")
	b.pairs("metadata", "metadata", "a text of your own, as `NAME=VALUE`; may be repeated")
}

func (a *app) rotateEndpointSecret() *cobra.Command {
	var b *body
	cmd := a.onEndpoint("rotate-secret", "Give a webhook endpoint a new secret; the old one signs too for a while",
		"portico endpoints rotate-secret "+sampleWE+" --overlap-seconds 3600", "/rotate-secret", http.MethodPost,
		func(*cobra.Command) ([]byte, error) { return b.encode(a) })
	b = newBody(cmd)
	b.overlap()
	return cmd
}

func (a *app) enableEndpoint() *cobra.Command {
	var b *body
	cmd := a.onEndpoint("enable", "Enable a webhook endpoint and send what was held", "portico endpoints enable "+sampleWE+" --held drop", "", http.MethodPatch,
		func(*cobra.Command) ([]byte, error) { return b.with(a, member{"status", encoded("enabled")}) })
	b = newBody(cmd)
	b.text("held", "held_deliveries", "what to do with held deliveries: send (default) or drop", "send", "drop")
	return cmd
}

func (a *app) disableEndpoint() *cobra.Command {
	return a.onEndpoint("disable", "Disable a webhook endpoint; its deliveries are held", "portico endpoints disable "+sampleWE, "", http.MethodPatch,
		func(*cobra.Command) ([]byte, error) { return []byte(`{"status":"disabled"}`), nil })
}
