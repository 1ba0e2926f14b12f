package scim_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/directory"
	"portico/shared/observe"
	"portico/shared/pages/scim"
	"portico/shared/testkit"
)

// public is the address of the pages in apitest.
const public = "https://api.portico.example"

// stage is an organization with a directory, which is served over HTTP.
type stage struct {
	*testing.T
	h          *apitest.Harness
	acme       apitest.Caller
	connection string
	token      string
	url        string
	user       string // the id that USER stands for in bodies
	group      string // and GROUP
	handler    *scim.Handler
}

func newStage(t *testing.T) *stage {
	t.Helper()
	h := apitest.New(t)
	handler := &scim.Handler{Desk: &directory.Desk{DB: h.App, Clock: h.Clock}, Public: public, Log: observe.NewLog(&testkit.Log{}, "test")}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s := &stage{T: t, h: h, url: server.URL, handler: handler, acme: h.Organization("Acme")}
	s.connection, s.token = s.open(s.acme, "corp.example.com", s.acme, `[]`)
	return s
}

// open makes a connection with a directory in the name of somebody.
func (s *stage) open(in apitest.Caller, domain string, as apitest.Caller, roles string) (connection, token string) {
	s.Helper()
	path := "/v1/domains/" + in.Make("/v1/domains", `{"name":"`+domain+`"}`)
	in.Prove(path)
	apitest.Want(s.T, in.Do("POST", path+"/verify", ""), "200 ")
	connection = in.Make("/v1/sso-connections", `{"type":"saml","name":"Okta","domains":["`+domain+`"]}`)
	made := as.Do("POST", "/v1/sso-connections/"+connection+"/directory", `{"group_roles":`+roles+`}`)
	apitest.Want(s.T, made, `201 "base_url":"`+public+`/scim/v2/`+connection+`"`)
	return connection, made.Get(s.T, "token")
}

// do sends a request to the directory, and returns the reply. A body that is the name of a
// file is read.
func (s *stage) do(method, path, body string) apitest.Reply {
	s.Helper()
	if strings.HasSuffix(body, ".json") {
		text, err := os.ReadFile("testdata/" + body)
		testkit.Must(s.T, err)
		body = strings.NewReplacer("USER", s.user, "GROUP", s.group).Replace(string(text))
	}
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+"/scim/v2/"+s.connection+path, strings.NewReader(body))
	testkit.Must(s.T, err)
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	response, err := http.DefaultClient.Do(r)
	testkit.Must(s.T, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	testkit.Must(s.T, err)
	if got := response.Header.Get("Content-Type"); len(text) > 0 && got != "application/scim+json" {
		s.Errorf("%s %s: the type %s", method, path, got)
	}
	if e := string(text); response.StatusCode >= 400 && (!strings.Contains(e, "urn:ietf:params:scim:api:messages:2.0:Error") || !strings.Contains(e, `"status":"`+strconv.Itoa(response.StatusCode)+`"`)) {
		s.Errorf("%s %s: %d %s", method, path, response.StatusCode, e)
	}
	return apitest.Reply{Status: response.StatusCode, Header: response.Header, Body: string(text)}
}

// wants sends a request and compares the reply, as apitest.Want does.
func (s *stage) wants(method, path, body, want string) apitest.Reply {
	s.Helper()
	r := s.do(method, path, body)
	apitest.Want(s.T, r, want)
	return r
}

var (
	userID  = regexp.MustCompile(`"id":"(dru_\w{26})"`)
	groupID = regexp.MustCompile(`"id":"(drg_\w{26})"`)
)

// makes creates something and returns its id.
func (s *stage) makes(path, body string) string {
	s.Helper()
	r := s.wants("POST", path, body, "201 ")
	form := userID
	if path == "/Groups" {
		form = groupID
	}
	found := form.FindStringSubmatch(r.Body)
	if found == nil || r.Header.Get("Location") != public+"/scim/v2/"+s.connection+path+"/"+found[1] {
		s.Fatalf("%s: %s at %s", path, r.Body, r.Header.Get("Location"))
	}
	return found[1]
}

// members lists the organization's members.
func (s *stage) members() string {
	s.Helper()
	return testkit.Value[string](s.T, s.h.Database, `SELECT coalesce(string_agg(u.email || ' ' || coalesce(m.predefined, 'own') || ' ' || m.name, ', ' ORDER BY u.email), 'none')
		FROM member m JOIN user_account u ON u.id = m.user_id WHERE m.org_id = $1`, s.acme.Org)
}

func (s *stage) hasMembers(want string) {
	s.Helper()
	if got := s.members(); got != want {
		s.Errorf("the members are %s, want %s", got, want)
	}
}

func user(name string) string {
	return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + name + `@corp.example.com"}`
}
