package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/clock"
	"portico/shared/hostname"
	"portico/shared/limit/override"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Bootstrap creates the first organization and staff keys. The API cannot do
// that, because at first there is no key to call it with.
type Bootstrap struct {
	DB    *pg.DB
	Keys  *apikey.Projection
	Hosts *hostname.Hosts
	// Overrides has the limits of organizations.
	Overrides *override.Projection
	Clock     *clock.Clock
}

type command func(Bootstrap, context.Context, json.RawMessage) (any, error)

var commands = map[string]command{
	"create_organization": commandOf(Bootstrap.CreateOrganization),
	"create_staff_key":    commandOf(Bootstrap.CreateStaffKey),
	"revoke_staff_key":    commandOf(Bootstrap.RevokeStaffKey),
	"set_staff":           commandOf(Bootstrap.SetStaff),
	"disable_staff":       commandOf(Bootstrap.DisableStaff),
	"delete_organization": commandOf(Bootstrap.DeleteOrganization),
}

// Run runs the command in the payload's member "command", with the other members
// as arguments, and returns the reply.
func (b Bootstrap) Run(ctx context.Context, payload json.RawMessage) (any, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(payload, &members); err != nil {
		return nil, fmt.Errorf(`the payload is not JSON such as {"command":"create_organization","name":"Acme"}: %w`, err)
	}
	var name string
	_ = json.Unmarshal(members["command"], &name) // no text is no command
	run, ok := commands[name]
	if !ok {
		return nil, fmt.Errorf(`"command" must be one of %s`, strings.Join(slices.Sorted(maps.Keys(commands)), ", "))
	}
	delete(members, "command")
	arguments, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	reply, err := run(b, ctx, arguments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return reply, nil
}

// entryOf returns what all audit entries of a command have.
func entryOf(ctx context.Context, command string, now time.Time) audit.Entry {
	return audit.Entry{
		Actor:  audit.Actor{Type: audit.System, ID: "bootstrap", Name: command},
		Origin: audit.Origin{RequestID: observe.RequestID(ctx)}, CreatedAt: now,
	}
}

// commandOf refuses arguments that the command does not have.
func commandOf[I, O any](do func(Bootstrap, context.Context, I) (O, error)) command {
	return func(b Bootstrap, ctx context.Context, arguments json.RawMessage) (any, error) {
		var in I
		decoder := json.NewDecoder(bytes.NewReader(arguments))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&in); err != nil {
			return nil, err
		}
		return do(b, ctx, in)
	}
}
