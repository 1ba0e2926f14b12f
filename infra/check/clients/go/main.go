// Command clients publishes an event with the client that oapi-codegen generates from the API's description, and reads an
// enabled webhook endpoint: with a wrong description the client would refuse its null fields.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"portico/clients/portico"
)

func main() {
	if err := publish(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "Go:", err)
		os.Exit(1)
	}
}

func publish(ctx context.Context) error {
	authorize := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+os.Getenv("PORTICO_KEY"))
		return nil
	}
	api, err := portico.NewClientWithResponses(os.Getenv("PORTICO_URL"), portico.WithRequestEditorFn(authorize))
	if err != nil {
		return err
	}
	endpoint, err := api.CreateWebhookEndpointWithResponse(ctx, nil, portico.CreateEndpointRequest{
		Url: "https://example.com/webhooks", EventTypes: []string{"customer.*"},
	})
	if err != nil {
		return err
	}
	if endpoint.JSON201 == nil || endpoint.JSON201.DisabledReason != nil {
		return fmt.Errorf("create a webhook endpoint: %s %s", endpoint.Status(), endpoint.Body)
	}
	event, err := api.PublishEventWithResponse(ctx, nil, portico.Draft{Type: "invoice.paid", Data: map[string]any{"total": 1.10}})
	if err != nil {
		return err
	}
	if event.JSON202 == nil || event.JSON202.Type != "invoice.paid" {
		return fmt.Errorf("publish: %s %s", event.Status(), event.Body)
	}
	refused, err := api.PublishEventWithResponse(ctx, nil, portico.Draft{Type: "no spaces please", Data: 1})
	if err != nil {
		return err
	}
	if p := refused.ApplicationproblemJSON422; p == nil || p.Code != "invalid_request" {
		return fmt.Errorf("publish a wrong event: %s %s", refused.Status(), refused.Body)
	}
	return nil
}
