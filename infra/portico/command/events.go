package command

import (
	"net/http"

	"github.com/spf13/cobra"
)

const eventsPath = "/v1/events"

func (a *app) events() *cobra.Command {
	return group("events", "Events: publish and read them",
		a.publish(),
		a.lists("List events, newest first", "portico events list --type 'invoice.*'", eventsPath, "events",
			[]column{{"ID", "id"}, {"TYPE", "type"}, {"ORDERING KEY", "ordering_key"}, {"CREATED AT", "created_at"}},
			append([]filter{
				{flag: "type", parameter: "type", usage: "only this type, or a prefix such as invoice.*"},
				{flag: "ordering-key", parameter: "ordering_key", usage: "only with this ordering key"},
				{flag: "external-id", parameter: "external_id", usage: "only the event that was published with this external id"},
			}, between("events published")...)...,
		),
		a.gets("get ID", "Show an event with its data", "portico events get evt_01jdf3z9k2e4nv6xq8r0s1t2v3", eventsPath+"/%s", "the event's id, evt_…"),
	)
}

func (a *app) publish() *cobra.Command {
	var b *body
	cmd := a.mutation(a.command("publish", "Publish an event",
		"portico events publish --type invoice.paid --data '{\"id\":\"in_1\",\"total\":1.10}'\n"+
			"portico events publish --type invoice.paid --data @invoice.json --idempotency-key in_1-paid\n"+
			"jq .invoice reply.json | portico events publish --type invoice.paid --data -", nil,
		func(cmd *cobra.Command, _ []string) error {
			if *b.whole == "" && (!cmd.Flags().Changed("type") || !cmd.Flags().Changed("data")) {
				return misuse(cmd, "give --type and --data")
			}
			text, err := b.encode(a)
			if err != nil {
				return err
			}
			return a.change(cmd, http.MethodPost, eventsPath, text)
		}))
	b = newBody(cmd)
	b.text("type", "type", "what happened, such as invoice.paid")
	b.json(a, "data", "data", "the data: JSON, @file, or - for the standard input; its bytes are delivered as they are")
	b.text("ordering-key", "ordering_key", "ordered endpoints get events with the same key one after another")
	b.text("external-id", "external_id", "your own id of the event: while the event is kept, it is published only once")
	b.number("expires-after", "expires_after", "for how many `seconds` deliveries are tried")
	return cmd
}
