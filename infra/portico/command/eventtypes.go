package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

const (
	eventTypesPath = "/v1/event-types"
	eventTypeName  = "the event type, such as invoice.paid"
)

func (a *app) eventTypes() *cobra.Command {
	return group("event-types", "Event types: the catalog of what you publish",
		a.lists("List event types", "portico event-types list --group billing", eventTypesPath, "event types",
			[]column{
				{"NAME", "name"}, {"GROUP", "group"}, {"VERSION", "version"}, {"VALIDATION", "validation"},
				{"ARCHIVED AT", "archived_at"}, {"DESCRIPTION", "description"},
			},
			filter{flag: "group", parameter: "group", usage: "only types of this group"},
			filter{flag: "archived", parameter: "archived", usage: "true: only archived types; false: only those in use", values: []string{"true", "false"}},
		),
		a.gets("get NAME", "Show an event type with its schema", "portico event-types get invoice.paid", eventTypesPath+"/%s", eventTypeName),
		a.createEventType(),
		a.updateEventType(),
		a.addEventTypeVersion(),
		a.validateEventData(),
		a.importEventTypes(),
		a.describeEventTypes(),
		a.deletes("delete NAME", "Delete an event type with all its versions", "portico event-types delete invoice.paid", eventTypesPath+"/%s", eventTypeName),
	)
}

// onEventType returns a command for one event type, with the flags that fill adds.
// suffix follows the type's name in the path.
func (a *app) onEventType(use, short, example, method, suffix string, fill func(*body)) *cobra.Command {
	var b *body
	cmd := a.mutation(a.command(use+" NAME", short, example, []string{eventTypeName}, func(cmd *cobra.Command, args []string) error {
		if !b.given() {
			return misuse(cmd, "give at least one flag for the request")
		}
		text, err := b.encode(a)
		if err != nil {
			return err
		}
		return a.change(cmd, method, eventTypesPath+"/"+url.PathEscape(args[0])+suffix, text)
	}))
	b = newBody(cmd)
	fill(b)
	return cmd
}

func (a *app) createEventType() *cobra.Command {
	var b *body
	cmd := a.mutation(a.command("create NAME", "Create an event type",
		"portico event-types create invoice.paid --group billing --schema @invoice.schema.json --validation required", []string{eventTypeName},
		func(cmd *cobra.Command, args []string) error {
			text, err := b.with(a, member{"name", encoded(args[0])})
			if err != nil {
				return err
			}
			return a.change(cmd, http.MethodPost, eventTypesPath, text)
		}))
	b = newBody(cmd)
	aboutEventType(b)
	contentOfVersion(a, b)
	return cmd
}

func (a *app) updateEventType() *cobra.Command {
	return a.onEventType("update", "Change an event type", "portico event-types update invoice.paid --archived", http.MethodPatch, "", func(b *body) {
		aboutEventType(b)
		b.number("version", "version", "the number of the version that becomes the current one")
	})
}

// aboutEventType are the flags for what is not in a version.
func aboutEventType(b *body) {
	b.text("description", "description", "when it is published, for people")
	b.text("group", "group", "its group; endpoints can subscribe to group:<name>")
	b.text("validation", "validation", "required: a publish is refused unless its data match the schema; or off", "off", "required")
	b.boolean("archived", "archived", "refuse to publish it")
}

// contentOfVersion are the flags for a version.
func contentOfVersion(a *app, b *body) {
	b.json(a, "schema", "schema", "the JSON Schema (2020-12) of the data: JSON, @file, or - for the standard input")
	b.json(a, "examples", "examples", "data that match the schema: a JSON array, @file, or - for the standard input")
}

func (a *app) addEventTypeVersion() *cobra.Command {
	return a.onEventType("add-version", "Give an event type a new schema", "portico event-types add-version invoice.paid --schema @invoice.schema.json",
		http.MethodPost, "/versions", func(b *body) { contentOfVersion(a, b) })
}

// validateEventData also tells by its exit code whether the data match.
func (a *app) validateEventData() *cobra.Command {
	var b *body
	cmd := a.command("validate NAME", "Check whether data match the schema of an event type; exit code 1 if they do not",
		"portico event-types validate invoice.paid --data @invoice.json", []string{eventTypeName},
		func(cmd *cobra.Command, args []string) error {
			text, err := b.encode(a)
			if err != nil {
				return err
			}
			reply, err := a.call(cmd, http.MethodPost, eventTypesPath+"/"+url.PathEscape(args[0])+"/validate", text)
			if err != nil {
				return err
			}
			if err := a.show(reply); err != nil || cell(at(reply, "valid")) == "true" {
				return err
			}
			return errors.New("the data do not match the schema")
		})
	b = newBody(cmd)
	b.json(a, "data", "data", "the data: JSON, @file, or - for the standard input")
	b.number("version", "version", "the version to try (default: the current one)")
	return cmd
}

func (a *app) importEventTypes() *cobra.Command {
	var b *body
	cmd := a.mutation(a.command("import FILE", "Import event types from the webhooks of an OpenAPI document in JSON; - reads the standard input",
		"portico event-types import openapi.json --dry-run", []string{"the file of an OpenAPI document, or -"},
		func(cmd *cobra.Command, args []string) error {
			from := "@" + args[0]
			if args[0] == "-" {
				from = "-"
			}
			document, err := a.input(from)
			if err != nil {
				return err
			}
			if err := parses(document); err != nil {
				return misuse(cmd, "%s is not JSON: %v", args[0], err)
			}
			text, err := b.with(a, member{"document", bytes.TrimSpace(document)})
			if err != nil {
				return err
			}
			reply, err := a.call(cmd, http.MethodPost, eventTypesPath+"/import", text)
			if err != nil {
				return err
			}
			if a.json {
				return a.document(reply)
			}
			a.rows(page{Data: items(reply)}, "event types in the document", []column{{"NAME", "name"}, {"RESULT", "result"}, {"VERSION", "version"}, {"REASON", "reason"}})
			return nil
		}))
	b = newBody(cmd)
	b.pairs("component", "components", "import the schema of a component as an event type: `COMPONENT=TYPE`; may be repeated")
	b.boolean("dry-run", "dry_run", "only say what would be done")
	return cmd
}

// items returns the data of a reply that is a list without pages.
func items(reply []byte) []json.RawMessage {
	var list page
	_ = json.Unmarshal(reply, &list) // what is no list has no items
	return list.Data
}

func (a *app) describeEventTypes() *cobra.Command {
	cmd := a.command("openapi", "Print the OpenAPI document of your event types", "portico event-types openapi --group billing", nil,
		func(cmd *cobra.Command, _ []string) error {
			path := eventTypesPath + "/openapi.json"
			if f := cmd.Flags().Lookup("group"); f.Changed {
				path += "?" + url.Values{"group": {f.Value.String()}}.Encode()
			}
			reply, err := a.call(cmd, http.MethodGet, path, nil)
			if err != nil {
				return err
			}
			return a.document(reply)
		})
	cmd.Flags().String("group", "", "only types of this group")
	return cmd
}
