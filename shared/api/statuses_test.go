package api_test

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portico/infra/fuzz/generate"
	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/api/reference"
	"portico/shared/api/system"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/role"
	"portico/shared/staff"
	"portico/shared/testkit"
)

// Each operation answers each status that its description lists, and the test sees it:
// it causes what it can for all operations alike. A status that cannot occur does not
// belong into the description.
func TestEveryStatusIsSeen(t *testing.T) {
	t.Parallel()
	s := newStatuses(t)
	for _, o := range sorted(api.All()) {
		s.succeed(o.Meta())
		s.refuse(o.Meta())
		s.inNoOrganization(o.Meta())
	}
	s.beyondLimits()
	s.withoutStore()
	s.withDefect()
	s.byGateway()
	described := 0
	for _, o := range apitest.Published().Operations {
		for _, status := range apitest.Published().Statuses(o) {
			described++
			if !s.seen[o.ID][status] {
				t.Errorf("%s never answered %d: cause it in this test, or take it out of the description", o.ID, status)
			}
		}
	}
	t.Logf("%d operations, %d statuses", len(apitest.Published().Operations), described)
}

// statuses calls operations and notes what they answer.
type statuses struct {
	t           *testing.T
	acme, staff apitest.Caller
	grace       apitest.Caller // a person of staff
	own         map[string]string
	person      apitest.Caller
	spare       apitest.Caller // its organization may be deleted
	seen        map[string]map[int]bool
}

func newStatuses(t *testing.T) *statuses {
	t.Helper()
	h := apitest.New(t)
	operations := slices.DeleteFunc(api.All(), func(o edge.Operation) bool { return o.Meta().Tag == "System" })
	var err error
	h.Handler, err = h.Server.Handler(append(operations, system.Operations(reference.New)...)...)
	testkit.Must(t, err)
	s := &statuses{t: t, acme: h.Organization("Acme"), staff: h.NewStaff(), grace: h.NewStaffPerson(staff.Admin), spare: h.Organization("Spare"), seen: map[string]map[int]bool{}}
	s.own = things(s.acme)
	s.own["/docs"] = "receiving-webhooks"
	var own id.Session
	s.person, own = h.NewPerson("person@example.com")
	s.own["/v1/me/sessions"] = own.String()
	s.own["/v1/me/apps"] = letIn(s.acme, s.acme.NewMember("person@example.com", role.Viewer))
	return s
}

// note notes a reply to an operation. If it is not the wanted one, the test says so.
func (s *statuses) note(op edge.Op, want int, r apitest.Reply) {
	s.t.Helper()
	if s.seen[op.ID] == nil {
		s.seen[op.ID] = map[int]bool{}
	}
	s.seen[op.ID][r.Status] = true
	if r.Status != want {
		s.t.Errorf("%s answered %d %s, want %d", op.ID, r.Status, r.Body, want)
	}
}

// described returns an operation as its description has it.
func described(op edge.Op) *generate.Operation {
	return apitest.Published().Find(op.Method, op.Path)
}

func documented(op edge.Op, status int) bool {
	return slices.Contains(apitest.Published().Statuses(described(op)), status)
}

// as returns who may call an operation, with its headers.
func (s *statuses) as(op edge.Op) (apitest.Caller, []string) {
	switch {
	case op.Acts == edge.OnSelf:
		return s.person, nil
	case op.Acts == edge.OnClosed:
		return s.grace, []string{"Portico-Organization", s.acme.Org.String()}
	case op.Acts == edge.OnNamed, op.Acts == edge.OnChosen:
		return s.staff, []string{"Portico-Organization", s.acme.Org.String()}
	case op.Acts.StaffOnly(), op.ID == "deleteOrganization":
		return s.staff, nil
	}
	return s.acme, nil
}

// call calls an operation that should succeed, but for what is special in headers.
func (s *statuses) call(op edge.Op, path, body string, headers ...string) apitest.Reply {
	s.t.Helper()
	c, own := s.as(op)
	return c.Do(op.Method, path, body, append(own, headers...)...)
}

// valid returns a path and a body with which an operation succeeds, once.
func (s *statuses) valid(op edge.Op) (path, body string) {
	s.t.Helper()
	path, body = strings.Replace(place(s.t, op, s.own), "{page}", s.own["/docs"], 1), strings.NewReplacer(
		"mem_01jdf3z9k2e4nv6xq8r0s1t2v3", s.own["/v1/members"], "we_01jdf3z9k2e4nv6xq8r0s1t2v3", s.own["/v1/webhook-endpoints"]).Replace(op.Example)
	if arrange := arrangements[op.ID]; arrange != nil {
		if to, instead := arrange(s); to != "" || instead != "" {
			if to != "" {
				path = regexp.MustCompile(`\{\w+\}`).ReplaceAllLiteralString(op.Path, to)
			}
			if instead != "" {
				body = instead
			}
		}
	}
	return path, body
}

// succeed calls an operation with success, and a mutation again with the same
// Idempotency-Key and another request.
func (s *statuses) succeed(op edge.Op) {
	s.t.Helper()
	path, body := s.valid(op)
	all := apitest.Published().Statuses(described(op))
	if op.Method == http.MethodGet {
		s.note(op, all[0], s.call(op, path, body))
		return
	}
	s.note(op, all[0], s.call(op, path, body, "Idempotency-Key", op.ID))
	if op.ID == "deleteOrganization" {
		s.whileInUse(op)
		return
	}
	if op.Acts == edge.OnSelf {
		return // it has no Idempotency-Key
	}
	other := absent(path)
	if body != "" {
		other, body = path, body+" "
	}
	s.note(op, http.StatusConflict, s.call(op, other, body, "Idempotency-Key", op.ID))
}

// whileInUse calls an operation while another request with the same Idempotency-Key is
// still worked on.
func (s *statuses) whileInUse(op edge.Op) {
	s.t.Helper()
	ctx, session := context.Background(), testkit.Session(s.t, s.acme.Admin.Config())
	_, err := session.Exec(ctx, `BEGIN`)
	testkit.Must(s.t, err)
	_, err = session.Exec(ctx, `INSERT INTO idempotency_key (org_id, caller, operation, key, body_hash) SELECT $1, caller, operation, key, body_hash FROM idempotency_key WHERE operation = $2`,
		s.acme.Org, op.ID)
	testkit.Must(s.t, err)
	s.note(op, http.StatusConflict, s.call(op, "/v1/organizations/"+s.acme.Org.String(), "", "Idempotency-Key", op.ID))
	_, err = session.Exec(ctx, `ROLLBACK`)
	testkit.Must(s.t, err)
}

// absent returns the path of a thing that does not exist.
func absent(path string) string {
	if id := regexp.MustCompile(`_\w{26}`); id.MatchString(path) {
		return id.ReplaceAllString(path, "_01890000000000000000000000")
	}
	for _, name := range []string{"organization_work", "gone.done", "member_added", apitest.Hidden.Name, apitest.Tidy.Name, "receiving-webhooks"} {
		path = strings.Replace(path, "/"+name, "/absent", 1)
	}
	return path
}

var spaces = strings.Repeat(" ", 4<<20) // more than any operation accepts

// refuse causes each refusal that an operation is described to answer.
func (s *statuses) refuse(op edge.Op) {
	s.t.Helper()
	path, body := strings.Replace(place(s.t, op, s.own), "{page}", "receiving-webhooks", 1), op.Example
	nobody := apitest.Caller{Harness: s.acme.Harness}
	missing := "org_01890000000000000000000000"
	for status, cause := range map[int]func() apitest.Reply{
		http.StatusBadRequest:            func() apitest.Reply { return s.call(op, path, "{") },
		http.StatusUnauthorized:          func() apitest.Reply { return nobody.Do(op.Method, path, body) },
		http.StatusForbidden:             func() apitest.Reply { return s.without(op).Do(op.Method, path, body) },
		http.StatusRequestEntityTooLarge: func() apitest.Reply { return s.call(op, path, spaces+body) },
		http.StatusUnsupportedMediaType:  func() apitest.Reply { return s.call(op, path, body, "Content-Type", "text/plain") },
		http.StatusUnprocessableEntity:   func() apitest.Reply { return s.call(op, path, body, "Idempotency-Key", "") },
		http.StatusNotFound: func() apitest.Reply {
			if arrange := arrangements[op.ID+" 404"]; arrange != nil {
				_, instead := arrange(s)
				return s.call(op, path, instead)
			}
			if gone := absent(path); gone != path {
				return s.call(op, gone, body)
			}
			return s.call(op, path, body, "Portico-Organization", missing)
		},
	} {
		if documented(op, status) {
			s.note(op, status, cause())
		}
	}
	if arrange := arrangements[op.ID+" 409"]; arrange != nil {
		id, _ := arrange(s)
		s.note(op, http.StatusConflict, s.call(op, strings.Replace(op.Path, "{id}", id, 1), ""))
	}
}

// without returns a caller who lacks the permission of an operation.
func (s *statuses) without(op edge.Op) apitest.Caller {
	return s.acme.With(slices.DeleteFunc(auth.All(), func(p auth.Permission) bool { return p == op.Permission })[0])
}
