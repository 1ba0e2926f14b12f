package command

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"portico/infra/portico/listen"
)

const (
	consumersPath = "/v1/event-consumers"
	consumerID    = "the consumer's id, ec_…, or its name"
)

func (a *app) consumers() *cobra.Command {
	return group("consumers", "Event consumers: programs that read the event stream",
		a.lists("List event consumers", "portico consumers list", consumersPath, "event consumers",
			[]column{{"ID", "id"}, {"NAME", "name"}, {"EVENT TYPES", "event_types"}, {"DESCRIPTION", "description"}}),
		a.gets("get ID", "Show an event consumer", "portico consumers get ec_01jdf3z9k2e4nv6xq8r0s1t2v3", consumersPath+"/%s", "the consumer's id, ec_…"),
		a.createConsumer(),
		a.deleteConsumerCommand(),
	)
}

func (a *app) createConsumer() *cobra.Command {
	var b *body
	cmd := a.mutation(a.command("create", "Create an event consumer; the reply shows its secret, once",
		"portico consumers create --name warehouse --types 'invoice.*'", nil,
		func(cmd *cobra.Command, _ []string) error {
			text, err := b.encode(a)
			if err != nil {
				return err
			}
			if err := a.change(cmd, http.MethodPost, consumersPath, text); err != nil || a.json {
				return err
			}
			a.note("Keep the secret: it is not shown again.")
			return nil
		}))
	b = newBody(cmd)
	b.text("name", "name", "its name, by which requests read the stream")
	b.texts("types", "event_types", "which events: types, prefixes such as invoice.*, or *")
	b.text("filter", "filter", "only events for which this `expression` is true, such as 'data.total > 100'")
	b.text("dead-letters-of", "dead_letters_of", "read the failed deliveries of this webhook `endpoint` instead of events")
	b.text("description", "description", "a note for people")
	return cmd
}

func (a *app) deleteConsumerCommand() *cobra.Command {
	return a.mutation(a.command("delete CONSUMER", "Delete an event consumer, with the events that wait for it",
		"portico consumers delete warehouse", []string{consumerID},
		func(cmd *cobra.Command, args []string) error {
			api, err := a.client(cmd)
			if err != nil {
				return err
			}
			name := args[0]
			found, ok, err := listen.Find(cmd.Context(), api, name)
			if err != nil {
				return err
			}
			if ok {
				args[0] = found.ID
			}
			return a.remove(cmd, consumersPath+"/"+url.PathEscape(args[0]), name)
		}))
}
