package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"

	"portico/infra/local/gateway"
	"portico/infra/local/lambda"
	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/limit"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// inNoOrganization calls an operation for an organization that does not exist.
func (s *statuses) inNoOrganization(op edge.Op) {
	s.t.Helper()
	if op.Permission == auth.Public || op.Acts == edge.OnSelf || op.Acts.StaffOnly() && op.Acts != edge.OnNamed && op.Acts != edge.OnChosen && op.Acts != edge.OnClosed {
		return
	}
	path, headers := place(s.t, op, s.own), []string{"Portico-Organization", "org_01890000000000000000000000"}
	if op.Acts == edge.OnPath {
		path, headers = absent(path), nil
	}
	r := s.staff.Do(op.Method, path, op.Example, headers...)
	s.note(op, http.StatusNotFound, r)
	apitest.Want(s.t, r, "404 organization_not_found")
}

// beyondLimits calls every operation with keys that have reached a limit.
func (s *statuses) beyondLimits() {
	s.t.Helper()
	over := *s
	over.acme, over.staff = s.acme.With(auth.All()...), s.acme.NewStaff()
	s.acme.Limit(limits(s.t, map[string]int64{"work": 1}))
	for _, o := range api.All() {
		op := o.Meta()
		if op.Permission == auth.Public {
			continue
		}
		// On a slow machine a limit may be over since the last operation.
		untilRefused(s.t, over.acme, "GET", "/v1/events", "")
		untilRefused(s.t, over.staff, "GET", "/v1/staff/mails", "")
		untilRefused(s.t, over.person, "GET", "/v1/me", "")
		r := over.call(op, place(s.t, op, s.own), op.Example)
		s.note(op, http.StatusTooManyRequests, r)
		apitest.Want(s.t, r, `429 "code":"rate_limited" "violated-policies":["work"] "type":"`+edge.QuotaExceeded+`"`)
		for _, name := range append([]string{"Retry-After"}, limit.Headers...) {
			if r.Header.Get(name) == "" {
				s.t.Errorf("%s has no header %s", op.ID, name)
			}
		}
	}
	s.acme.Limit(testkit.Limits(s.t))
}

// withoutStore calls every operation that needs a store while Postgres is stopped, and
// again while DynamoDB is.
func (s *statuses) withoutStore() {
	s.t.Helper()
	wire := testkit.NewWire(s.t, s.acme.URL("portico_app"))
	server := *s.acme.Server
	var err error
	server.DB, err = pg.Open(context.Background(), wire.URL)
	testkit.Must(s.t, err)
	s.t.Cleanup(server.DB.Close)
	server.People, err = pg.OpenIdentity(context.Background(), wire.URL)
	testkit.Must(s.t, err)
	s.t.Cleanup(server.People.Close)
	wire.Stop()
	s.each(&server, http.StatusServiceUnavailable, "unavailable")

	h := *s.acme.Harness
	there := apitest.Caller{Harness: &h, Key: s.acme.Key}.Environment(func(string, string) bool { return true })
	for _, o := range api.All() {
		if op := o.Meta(); op.Permission != auth.Public {
			r := there.Do(op.Method, place(s.t, op, s.own), op.Example)
			s.note(op, http.StatusServiceUnavailable, r)
			s.tellsNothing(op, r, "unavailable")
		}
	}
}

// withDefect calls every operation that needs a store while Postgres refuses every
// statement, which is a defect.
func (s *statuses) withDefect() {
	s.t.Helper()
	s.acme.Exec(`REVOKE ALL ON ALL TABLES IN SCHEMA public FROM portico_app, portico_identity`)
	s.acme.Exec(`REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM portico_app, portico_identity, PUBLIC`)
	server := *s.acme.Server
	s.each(&server, http.StatusInternalServerError, "internal")
}

// each calls every operation that needs Postgres. getDeliverability answers without it,
// and names the databases that it has not heard of. Sessions are in DynamoDB.
func (s *statuses) each(server *edge.Server, status int, code string) {
	s.t.Helper()
	h := *s.acme.Harness
	var err error
	h.Handler, err = server.Handler(api.All()...)
	testkit.Must(s.t, err)
	for _, o := range api.All() {
		op := o.Meta()
		if op.Permission == auth.Public || op.ID == "getDeliverability" || op.ID == "listMySessions" {
			continue
		}
		c, headers := s.as(op)
		c.Harness = &h
		r := c.Do(op.Method, place(s.t, op, s.own), op.Example, headers...)
		s.note(op, status, r)
		s.tellsNothing(op, r, code)
	}
}

// tellsNothing checks that a reply to a failure has nothing but its code, the sentence
// that belongs to it and the request's id.
func (s *statuses) tellsNothing(op edge.Op, r apitest.Reply, code string) {
	s.t.Helper()
	form := fmt.Sprintf(`^\{"type":"/docs/errors#%s","title":"[A-Za-z ]+","status":%d,"code":"%s","detail":"[A-Za-z ,.-]+","request_id":"req-1"\}\n$`, code, r.Status, code)
	if !regexp.MustCompile(form).MatchString(r.Body) {
		s.t.Errorf("%s answered %s", op.ID, r.Body)
	}
}

// byGateway calls every operation while its function is throttled, fails or does not
// answer: the gateway answers itself.
func (s *statuses) byGateway() {
	s.t.Helper()
	for status, failure := range map[int]error{
		http.StatusTooManyRequests: lambda.ErrThrottled, http.StatusServiceUnavailable: context.DeadlineExceeded,
		http.StatusInternalServerError: errors.New("the function failed"), http.StatusRequestEntityTooLarge: lambda.ErrTooLarge,
	} {
		front, err := gateway.New([]gateway.Route{{Path: "$default", Invoke: func(context.Context, []byte) ([]byte, error) { return nil, failure }}}, gateway.Options{})
		testkit.Must(s.t, err)
		for _, o := range api.All() {
			op := o.Meta()
			w := httptest.NewRecorder()
			front.ServeHTTP(w, httptest.NewRequest(op.Method, op.Path, nil))
			if !documented(op, status) {
				continue // too large: it has no body
			}
			s.note(op, status, apitest.Reply{Status: w.Code, Body: w.Body.String()})
			if err := apitest.Published().CheckReply(described(op), w.Code, w.Header().Get("Content-Type"), w.Body.Bytes()); err != nil {
				s.t.Errorf("%v: %s", err, w.Body)
			}
		}
	}
}
