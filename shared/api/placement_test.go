package api_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/claim"
	"portico/shared/jobs"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// An environment that used an organization before it moved publishes in the
// organization's new database, and tells the dispatchers and the sweep of that
// database.
func TestPublishAfterMove(t *testing.T) {
	t.Parallel()
	h, ctx := apitest.New(t), t.Context()
	c, other := h.Organization("Acme"), testkit.DB(t)
	if err := h.App.Add(ctx, "acme", other.URL("portico_app")); err != nil {
		t.Fatal(err)
	}
	var waker *claim.Waker
	sweptAnew := func() {
		client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
		waker = &claim.Waker{Queue: webhook.Queue, Database: "acme", Due: claim.NewDue(client, table, webhook.Queue, "acme", h.Clock), Nudge: h.Server.Wakers[pg.Home].Nudge}
		h.Server.Wakers["acme"] = waker
	}
	sweptAnew()
	c.Do("POST", "/v1/webhook-endpoints", `{"url":"https://example.com/","event_types":["*"]}`)
	move := jobs.Move{
		Logins:   map[string]jobs.Login{pg.Home: {URL: h.URL("portico_master")}, "acme": {URL: other.URL("portico_master")}},
		Wakers:   pg.Databases[[]*claim.Waker]{pg.Home: {h.Server.Wakers[pg.Home]}, "acme": {waker}},
		Clock:    h.Clock,
		Progress: t.Logf,
	}
	payload, _ := json.Marshal(jobs.MoveOrganization{OrganizationID: c.Org.String(), Database: "acme"})
	if _, err := move.Run(ctx, payload); err != nil {
		t.Fatal(err)
	}
	h.Nudges.Purge()
	for n := range 2 { // the first learns of the move, the second knows it
		sweptAnew()
		r := httptest.NewRequest("POST", "/v1/events", strings.NewReader(`{"type":"invoice.paid","data":{}}`))
		r.Header.Set("Authorization", "Bearer "+c.Key)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.Handler.ServeHTTP(w, r)
		if w.Code != 202 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if item, err := waker.Due.Read(ctx); err != nil || item.At.IsZero() {
			t.Errorf("publish %d: the sweep of acme looks at %s, %v", n, item.At, err)
		}
		nudges := h.Nudges.Receive(ctx, 10, time.Minute, 0)
		if len(nudges) != 1 || nudges[0].Body != `{"database":"acme"}` {
			t.Errorf("publish %d: nudges %+v", n, nudges)
		}
	}
	if n := testkit.Value[int](t, other, `SELECT count(*) FROM webhook_delivery WHERE status = 'pending'`); n != 2 {
		t.Errorf("%d deliveries wait in acme", n)
	}
}

// A request that waits for its organization to arrive, and cannot wait longer, is
// asked to try again.
func TestWhileMoving(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	c := h.Organization("Acme")
	h.Place(t, c.Org, "leaving", "acme")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "/v1/organization", nil)
	r.Header.Set("Authorization", "Bearer "+c.Key)
	w := httptest.NewRecorder()
	h.Handler.ServeHTTP(w, r)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"code":"unavailable"`) {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
}
