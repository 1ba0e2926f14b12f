package account

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
)

// ListMyEvents is GET /v1/me/events.
var ListMyEvents = edge.Self[edge.Page, listEventsOutput]{
	Op: edge.Op{
		ID: "listMyEvents", Method: http.MethodGet, Path: "/v1/me/events", Function: function, Acts: edge.OnSelf,
		Permission: auth.Self, Cost: 1, Tag: Tag, Summary: "List your account events", Description: "Sign-ins, and changes of what you sign in with, the newest first.",
	},
	Handle: listMyEvents,
}

type accountEventBody struct {
	ID        id.UserEvent `json:"id" doc:"The event's id." example:"uev_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Action    string       `json:"action" doc:"#AccountEvent.action" example:"session.start"`
	Method    string       `json:"method" doc:"By which means; empty: by none." example:"password"`
	Detail    string       `json:"detail" doc:"More of it, such as the name of a passkey; may be empty." example:"MacBook"`
	SourceIP  *string      `json:"source_ip" doc:"From which address of the network; null: unknown." example:"192.0.2.1"`
	UserAgent string       `json:"user_agent" doc:"What the browser or program called itself." example:"Mozilla/5.0"`
	CreatedAt clock.Stamp  `json:"created_at" format:"date-time" doc:"When it was done."`
}

type listEventsOutput struct{ Body edge.List[accountEventBody] }

func listMyEvents(c *edge.Call, in *edge.Page) (*listEventsOutput, error) {
	user := c.Caller.User
	list := "events of " + user.String()
	var after id.UserEvent
	if err := c.Position(list, in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	var events []identity.Event
	err := c.AsSelf(func(tx pg.Tx) (err error) {
		events, err = identity.Events(c, tx, user, after, in.Limit+1)
		return err
	})
	return &listEventsOutput{edge.ListOf(events, in.Limit, showEvent, func(last identity.Event) *string { return c.Cursor(list, last.ID.UUID) })}, err
}

func showEvent(e identity.Event) accountEventBody {
	b := accountEventBody{ID: e.ID, Action: e.Action, Method: e.Method, Detail: e.Detail, UserAgent: e.Origin.UserAgent, CreatedAt: clock.Stamp(e.CreatedAt)}
	if e.Origin.SourceIP.IsValid() {
		b.SourceIP = new(e.Origin.SourceIP.String())
	}
	return b
}
