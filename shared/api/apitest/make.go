package apitest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"time"

	"portico/shared/api"
	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/jobs"
	"portico/shared/limit/override"
	"portico/shared/member"
	"portico/shared/session"
	"portico/shared/staff"
	"portico/shared/testkit"
)

// Make creates something and returns its id.
func (c Caller) Make(path, body string) string {
	c.T.Helper()
	r := c.Do("POST", path, body)
	if r.Status != http.StatusCreated {
		c.T.Fatalf("POST %s %s: %d %s", path, body, r.Status, r.Body)
	}
	return r.Get(c.T, "id")
}

func (c Caller) NewMember(email, role string) string {
	c.T.Helper()
	return c.Make("/v1/members", `{"email":"`+email+`","name":"Ada","role":"`+role+`"}`)
}

// AsMember returns a caller who is a member of the same organization and has just
// proved who they are.
func (c Caller) AsMember(member string) Caller {
	return c.AsCaller(auth.Caller{Actor: auth.Actor{Type: auth.Member, ID: member}, Proved: c.Clock.Now()})
}

// AsCaller returns a caller in the same organization who has no key.
func (c Caller) AsCaller(caller auth.Caller) Caller {
	caller.Org = c.Org
	c.Key, c.As = "", &caller
	return c
}

// NewPerson returns a caller who is a person with an account, for no organization, and the
// id of the person's session.
func (h *Harness) NewPerson(email string) (Caller, id.Session) {
	h.T.Helper()
	user := id.New[id.User](h.Clock.Now())
	h.AddUser(h.T, user, email)
	caller := auth.Caller{Actor: auth.Actor{Type: auth.User, ID: user.String()}, User: user, Proved: h.Clock.Now()}
	return Caller{Harness: h, As: &caller}, h.signIn(user, id.Org{})
}

// SignIn gives a member an account and a session, and returns the session's id.
func (c Caller) SignIn(member string) id.Session {
	c.T.Helper()
	parsed, err := id.Parse[id.Member](member)
	testkit.Must(c.T, err)
	return c.signIn(testkit.Value[id.User](c.T, c.Database, `SELECT user_id FROM member WHERE id = $1`, parsed), c.Org)
}

func (h *Harness) signIn(user id.User, into id.Org) id.Session {
	h.T.Helper()
	testkit.Credentials(h.T, h.Database, user)
	begun, _, err := h.Server.Sessions.Start(h.T.Context(), session.Session{User: user, Org: into, Host: "localhost", Factors: []string{"password"}, Device: "Firefox, Linux", IP: "192.0.2.1"}, time.Hour)
	testkit.Must(h.T, err)
	return begun.ID
}

// NewKey creates an API key and returns a caller with it, and the key's id.
func (c Caller) NewKey(body string) (made Caller, key string) {
	c.T.Helper()
	r := c.Do("POST", "/v1/api-keys", body)
	if r.Status != http.StatusCreated {
		c.T.Fatalf("create key: %d %s", r.Status, r.Body)
	}
	c.Key = r.Get(c.T, "key")
	return c, r.Get(c.T, "id")
}

// Environment returns a caller of another execution environment, which has the
// same stores and its own cache. Calls of DynamoDB fail if fails returns true.
func (c Caller) Environment(fails func(call, body string) bool) Caller {
	c.T.Helper()
	h := *c.Harness
	h.Handler = h.newEnvironment(fails)
	c.Harness = &h
	return c
}

// From sends a GET from an address, with headers that claim another address.
func (c Caller) From(address string) Reply {
	c.T.Helper()
	r := httptest.NewRequest(http.MethodGet, "/v1/events", nil)
	r.RemoteAddr = address
	r.Header.Set("Authorization", "Bearer "+c.Key)
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip"} {
		r.Header.Set(name, "192.0.2.1")
	}
	w := httptest.NewRecorder()
	c.Handler.ServeHTTP(w, r)
	return Reply{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
}

// Quietly sends a GET without any of the checks of Do, for a flood of calls.
func (c Caller) Quietly(path string) (status int) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+c.Key)
	w := httptest.NewRecorder()
	c.Handler.ServeHTTP(w, r)
	return w.Code
}

// newEnvironment returns the API with its own cache.
func (h *Harness) newEnvironment(fails func(call, body string) bool) http.Handler {
	h.T.Helper()
	server := *h.Server
	client := testkit.DynamoDBThrough(h.T, testkit.DynamoDBEndpoint(h.T), fails)
	server.Keys = apikey.NewProjection(client, h.table, h.App, h.Clock)
	server.Keys.Limit(h.settings())
	server.Members = member.NewRights(h.App, h.Clock)
	server.Apps = h.newApps(client)
	server.Keys.Overrides = override.NewProjection(client, h.limits, h.Clock)
	handler, err := server.Handler(api.All()...)
	if err != nil {
		h.T.Fatal(err)
	}
	return handler
}

func Never(_, _ string) bool { return false }

// Prove adds the domain's record to DNS. The domain is at path.
func (c Caller) Prove(path string) {
	c.T.Helper()
	r := c.Do("GET", path, "")
	c.Names.Set(r.Get(c.T, "record.name"), r.Get(c.T, "record.value"))
}

// Bootstrap runs the bootstrap function.
func (h *Harness) Bootstrap(payload string) jobs.CreatedStaffKey {
	h.T.Helper()
	made, err := jobs.Bootstrap{DB: h.App, Keys: h.Keys, Hosts: h.Server.Hosts, Overrides: h.Keys.Overrides, Clock: h.Clock}.Run(context.Background(), json.RawMessage(payload))
	if err != nil {
		h.T.Fatal(err)
	}
	key, _ := made.(jobs.CreatedStaffKey) // zero if the command made no key
	return key
}

// NewStaff returns a caller with a staff key and without an organization.
func (h *Harness) NewStaff() Caller {
	h.T.Helper()
	return Caller{Harness: h, Key: h.Bootstrap(`{"command":"create_staff_key","name":"Ada"}`).StaffKey}
}

// NewStaffPerson returns a person of staff who has just proved who they are, without an
// organization.
func (h *Harness) NewStaffPerson(level staff.Level) Caller {
	h.T.Helper()
	user := id.New[id.User](h.Clock.Now())
	email := user.String() + "@example.com"
	h.AddUser(h.T, user, email)
	testkit.Credentials(h.T, h.Database, user)
	h.Bootstrap(`{"command":"set_staff","email":"` + email + `","name":"Grace Hopper","level":"` + string(level) + `"}`)
	caller := auth.Caller{Actor: auth.Actor{Type: auth.Staff, ID: user.String()}, Proved: h.Clock.Now()}
	return Caller{Harness: h, As: &caller}
}

// Open lets a person of staff enter an organization for an hour, with a member as this
// member, and returns the access' id.
func (c Caller) Open(of id.Org, member string) string {
	c.T.Helper()
	body := map[string]any{"reason": "Ticket 4711", "minutes": 60}
	if member != "" {
		body["member_id"] = member
	}
	text, err := json.Marshal(body)
	testkit.Must(c.T, err)
	r := c.Do("POST", "/v1/staff-access", string(text), "Portico-Organization", of.String())
	if r.Status != http.StatusCreated {
		c.T.Fatalf("open: %d %s", r.Status, r.Body)
	}
	return r.Get(c.T, "id")
}

func (c Caller) NewEndpoint(types string) (id, secret string) {
	c.T.Helper()
	r := c.Do("POST", "/v1/webhook-endpoints", `{"url":"https://example.com/hook","event_types":`+types+`}`)
	if r.Status != http.StatusCreated {
		c.T.Fatalf("create endpoint: %d %s", r.Status, r.Body)
	}
	return r.Get(c.T, "id"), r.Get(c.T, "secret")
}

func (c Caller) Publish(body string, headers ...string) Reply {
	c.T.Helper()
	return c.Do("POST", "/v1/events", body, headers...)
}

const PlainEndpoint = `{"url":"https://example.com/","event_types":["*"]`

// At sends a request to a host.
func (c Caller) At(host, method, path, body string, headers ...string) Reply {
	c.T.Helper()
	return c.Do(method, "http://"+host+path, body, headers...)
}

// Works checks that the key is accepted, or that it is not.
func (c Caller) Works(when string, works bool) {
	c.T.Helper()
	if r := c.Do("GET", "/v1/events", ""); (r.Status == http.StatusOK) != works {
		c.T.Errorf("%s: %d %s", when, r.Status, r.Body)
	}
}

// ClientCertificate returns the member client_certificate of a body.
func ClientCertificate(certificate, key string) string {
	text, err := json.Marshal(map[string]string{"certificate": certificate, "private_key": key})
	if err != nil {
		panic(err)
	}
	return `"client_certificate":` + string(text)
}

// HTTPSStream is the body of a new audit stream.
const HTTPSStream = `{"name":"SIEM","type":"https","https":{"url":"https://siem.example.com/portico"}}`
