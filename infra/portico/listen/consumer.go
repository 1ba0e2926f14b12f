// Package listen reads an event consumer's stream and forwards each event to a
// program on the user's machine. It only opens connections, so it needs no inbound
// port.
package listen

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"portico/infra/portico/client"
)

const consumersPath = "/v1/event-consumers"

// Consumer is an event consumer of the API.
type Consumer struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	EventTypes []string `json:"event_types"`
	Filter     string   `json:"filter"`
	Secret     string   `json:"secret"` // only in the reply that made it
}

// NewConsumer is the request for an event consumer.
type NewConsumer struct {
	Name        string   `json:"name"`
	EventTypes  []string `json:"event_types"`
	Filter      string   `json:"filter,omitempty"`
	Description string   `json:"description"`
}

// Create creates an event consumer.
func Create(ctx context.Context, api *client.Client, n NewConsumer) (c Consumer, err error) {
	body, err := json.Marshal(n)
	if err != nil {
		return c, err
	}
	return c, call(ctx, api, client.Request{Method: http.MethodPost, Path: consumersPath, Body: body}, &c)
}

// Rotate gives a consumer a new secret.
func Rotate(ctx context.Context, api *client.Client, id string) (c Consumer, err error) {
	return c, call(ctx, api, client.Request{Method: http.MethodPost, Path: consumersPath + "/" + url.PathEscape(id) + "/rotate-secret", Body: []byte("{}")}, &c)
}

// Delete deletes a consumer.
func Delete(ctx context.Context, api *client.Client, id string) error {
	return call(ctx, api, client.Request{Method: http.MethodDelete, Path: consumersPath + "/" + url.PathEscape(id)}, nil)
}

// Find returns the consumer with a name; found is false if there is none.
func Find(ctx context.Context, api *client.Client, name string) (c Consumer, found bool, err error) {
	query := url.Values{"limit": {"100"}}
	for {
		var page struct {
			Data []Consumer
			Next *string
		}
		if err := call(ctx, api, client.Request{Method: http.MethodGet, Path: consumersPath, Query: query}, &page); err != nil {
			return c, false, err
		}
		for _, c := range page.Data {
			if c.Name == name {
				return c, true, nil
			}
		}
		if page.Next == nil {
			return c, false, nil
		}
		query.Set("after", *page.Next)
	}
}

// call calls an operation and reads its reply into out, unless that is nil.
func call(ctx context.Context, api *client.Client, r client.Request, out any) error {
	reply, err := api.Do(ctx, r)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("the API's reply to %s %s cannot be read: %w", r.Method, r.Path, err)
	}
	return nil
}
