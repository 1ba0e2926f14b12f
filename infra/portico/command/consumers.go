package command

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"portico/infra/portico/client"
	"portico/infra/portico/listen"
)

const (
	consumersPath = "/v1/event-consumers"
	consumerName  = "the consumer's name, or its id, ec_…"
)

func (a *app) consumers() *cobra.Command {
	return group("consumers", "Event consumers: programs that read the event stream",
		a.lists("List event consumers", "portico consumers list", consumersPath, "event consumers", []column{
			{"ID", "id"}, {"NAME", "name"}, {"EVENT TYPES", "event_types"}, {"BACKLOG", "backlog"}, {"DEAD LETTERS", "dead_letters"}, {"DESCRIPTION", "description"},
		}),
		a.onConsumer("get", "Show an event consumer with its backlog", "portico consumers get warehouse", func(cmd *cobra.Command, path, _ string) error {
			return a.change(cmd, http.MethodGet, path, nil)
		}),
		a.createConsumer(),
		a.updateConsumer(),
		a.mutation(a.onConsumer("delete", "Delete an event consumer, with the events that wait for it", "portico consumers delete warehouse", a.remove)),
		a.rotateConsumerSecret(),
		a.deadLetters(),
		a.resendDeadLetters(),
	)
}

// onConsumer returns a command for one consumer, which the user names. run gets the
// consumer's path and what the user has called it.
func (a *app) onConsumer(use, short, example string, run func(cmd *cobra.Command, path, name string) error) *cobra.Command {
	return a.command(use+" CONSUMER", short, example, []string{consumerName}, func(cmd *cobra.Command, args []string) error {
		id := args[0]
		if !strings.HasPrefix(id, "ec_") {
			api, err := a.client(cmd)
			if err != nil {
				return err
			}
			found, ok, err := listen.Find(cmd.Context(), api, id)
			if err != nil {
				return err
			}
			if !ok {
				return &client.Refused{Status: http.StatusNotFound, Detail: "There is no event consumer with the name " + id + "."}
			}
			id = found.ID
		}
		return run(cmd, consumersPath+"/"+url.PathEscape(id), args[0])
	})
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
	aboutConsumer(b)
	b.text("dead-letters-of", "dead_letters_of", "read the failed deliveries of this webhook `endpoint` instead of events")
	return cmd
}

func (a *app) updateConsumer() *cobra.Command {
	var b *body
	cmd := a.mutation(a.onConsumer("update", "Change an event consumer", "portico consumers update warehouse --types 'invoice.*,customer.*'",
		func(cmd *cobra.Command, path, _ string) error {
			if !b.given() {
				return misuse(cmd, "there is nothing to change: give a flag such as --types")
			}
			text, err := b.encode(a)
			if err != nil {
				return err
			}
			return a.change(cmd, http.MethodPatch, path, text)
		}))
	b = newBody(cmd)
	aboutConsumer(b)
	return cmd
}

// aboutConsumer are the flags that can also be changed.
func aboutConsumer(b *body) {
	b.texts("types", "event_types", "which events: types, prefixes such as invoice.*, or *")
	b.text("filter", "filter", "only events for which this `expression` is true, such as 'data.total > 100'")
	b.text("description", "description", "a note for people")
}

func (a *app) rotateConsumerSecret() *cobra.Command {
	var b *body
	cmd := a.mutation(a.onConsumer("rotate-secret", "Give an event consumer a new secret; the old one signs too for a while", "portico consumers rotate-secret warehouse",
		func(cmd *cobra.Command, path, _ string) error {
			text, err := b.encode(a)
			if err != nil {
				return err
			}
			return a.change(cmd, http.MethodPost, path+"/rotate-secret", text)
		}))
	b = newBody(cmd)
	b.overlap()
	return cmd
}

func (a *app) deadLetters() *cobra.Command {
	cmd := a.onConsumer("dead-letters", "List what an event consumer has not acknowledged in eight tries", "portico consumers dead-letters warehouse --all",
		func(cmd *cobra.Command, path, _ string) error {
			return a.pages(cmd, path+"/dead-letters", "dead letters", url.Values{},
				[]column{{"EVENT", "event_id"}, {"TYPE", "type"}, {"TRIES", "tries"}, {"DIED AT", "died_at"}})
		})
	a.addListFlags(cmd, nil)
	return cmd
}

func (a *app) resendDeadLetters() *cobra.Command {
	var b *body
	cmd := a.mutation(a.onConsumer("resend", "Put dead letters back on the stream: all, or those of some events", "portico consumers resend warehouse --events evt_01jdf3z9k2e4nv6xq8r0s1t2v3",
		func(cmd *cobra.Command, path, _ string) error {
			text, err := b.encode(a)
			if err != nil {
				return err
			}
			return a.change(cmd, http.MethodPost, path+"/resend-dead-letters", text)
		}))
	b = newBody(cmd)
	b.texts("events", "event_ids", "only those of these events")
	return cmd
}
