package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/apikey"
	"portico/shared/limit"
	"portico/shared/role"
	"portico/shared/testkit"
)

// limits returns the policies of the tests, some of them with other limits.
func limits(t *testing.T, of map[string]int64, delayed ...string) limit.Policies {
	t.Helper()
	all := map[string]int64{}
	for _, p := range testkit.Limits(t) {
		all[p.Name] = p.Limit
	}
	for name, n := range of {
		all[name] = n
	}
	list, err := limit.NewPolicies(all, delayed...)
	testkit.Must(t, err)
	return list
}

// untilRefused calls until a call is answered 429, and returns how many were not,
// and that reply.
func untilRefused(t *testing.T, c apitest.Caller, method, path, body string) (int, apitest.Reply) {
	t.Helper()
	for n := range 200 {
		if r := c.Do(method, path, body); r.Status == http.StatusTooManyRequests {
			return n, r
		}
	}
	t.Fatalf("%s %s was never refused", method, path)
	return 0, apitest.Reply{}
}

// A key that has used up its requests is told so in the headers of every reply and in
// the problem, and may call again later. Other keys are not affected.
func TestRequestsAreLimited(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	other, _ := acme.NewKey(`{"name":"other","permissions":["events:read"]}`)
	h.Limit(limits(t, map[string]int64{"requests": 1}))
	first := acme.Do("GET", "/v1/events", "")
	for name, want := range map[string]string{
		"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1",
		"RateLimit-Policy": `"requests";q=2;w=2, "work";q=60000000;w=60;qu="work-units", "organization_requests";q=60000000;w=60`,
	} {
		if got := first.Header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if left := first.Header.Get("RateLimit"); !strings.HasPrefix(left, `"requests";r=1;t=1, "work";r=`) {
		t.Errorf("RateLimit: %s", left)
	}
	_, refused := untilRefused(t, acme, "GET", "/v1/events", "")
	apitest.Want(t, refused, `429 rate_limited "violated-policies":["requests"] "type":"https://iana.org/assignments/http-problem-types#quota-exceeded" 1 requests in a second, and 2 at once`)
	if refused.Header.Get("Retry-After") != "1" || refused.Header.Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("headers %v", refused.Header)
	}
	apitest.Want(t, other.Do("GET", "/v1/events", ""), "200")
	h.Advance(t, 2*time.Second)
	apitest.Want(t, acme.Do("GET", "/v1/events", ""), "200")
}

// The keys of an organization share its limit, and staff who act on it do not use it
// up.
func TestOrganizationsAreLimited(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, beta := h.Organization("Acme"), h.Organization("Beta")
	other, _ := acme.NewKey(`{"name":"other","permissions":["events:read"]}`)
	staff := h.NewStaff()
	h.Advance(t, 3*time.Minute) // nothing of the set-up counts
	h.Limit(limits(t, map[string]int64{"organization_requests": 5}))
	for range 10 {
		apitest.Want(t, staff.Do("GET", "/v1/events", "", "Portico-Organization", acme.Org.String()), "200")
	}
	for range 3 {
		apitest.Want(t, other.Do("GET", "/v1/events", ""), "200")
	}
	n, refused := untilRefused(t, acme, "GET", "/v1/events", "")
	apitest.Want(t, refused, `429 "violated-policies":["organization_requests"]`)
	if n != 2 {
		t.Errorf("%d more calls were allowed, want 2", n)
	}
	apitest.Want(t, beta.Do("GET", "/v1/events", ""), "200")
}

// A member has the limits of a key, each member their own, and counts against those of
// the organization, too.
func TestMembersAreLimited(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	ada, eve := acme.AsMember(acme.NewMember("ada@example.com", role.Viewer)), acme.AsMember(acme.NewMember("eve@example.com", role.Viewer))
	for policy, want := range map[string]int{"requests": 10, "organization_requests": 2} {
		for name, caller := range map[string]apitest.Caller{"key": acme, "member": ada} {
			h.Advance(t, 15*time.Minute)
			h.Limit(limits(t, map[string]int64{policy: 5}))
			for range 3 {
				apitest.Want(t, eve.Do("GET", "/v1/events", ""), "200")
			}
			begin := time.Now()
			n, refused := untilRefused(t, caller, "GET", "/v1/events", "")
			apitest.Want(t, refused, `429 "violated-policies":["`+policy+`"]`)
			again := 0
			if policy == "requests" { // five come back each second while the calls last
				again = 1 + int(5*time.Since(begin).Seconds())
			}
			if n < want || n > want+again {
				t.Errorf("%s: %d calls of a %s were allowed, want %d to %d", policy, n, name, want, want+again)
			}
		}
	}
	h.Advance(t, 15*time.Minute)
	h.Limit(limits(t, map[string]int64{"work": 60}))
	n, refused := untilRefused(t, ada, "GET", "/v1/events?limit=100", "")
	apitest.Want(t, refused, `429 "violated-policies":["work"]`)
	if n > 6 {
		t.Errorf("%d pages of 100 were allowed", n)
	}
}

// A publish counts its events, the deliveries that they make and the time of the
// filters; a list counts its page. Who has caused too much is refused with the next
// call.
func TestWorkIsCharged(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	for range 10 {
		apitest.Want(t, acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+"}"), "201")
	}
	events := strings.TrimSuffix(strings.Repeat(`{"type":"a","data":1},`, 20), ",")
	for name, tt := range map[string]struct {
		method, path, body string
		limit              int64
		within             int // calls before one is refused
	}{
		"a batch of 20 events for 10 endpoints": {"POST", "/v1/events/batch", `{"events":[` + events + `]}`, 250, 2},
		"an event for 10 endpoints":             {"POST", "/v1/events", `{"type":"a","data":1}`, 60, 5},
		"a page of 100":                         {"GET", "/v1/events?limit=100", "", 60, 6},
		"a page of 10":                          {"GET", "/v1/events?limit=10", "", 60, 30},
	} {
		for _, policy := range []string{"work", "organization_work"} {
			h.Advance(t, 15*time.Minute) // all debts are paid
			h.Limit(limits(t, map[string]int64{policy: tt.limit}))
			n, refused := untilRefused(t, acme, tt.method, tt.path, tt.body)
			apitest.Want(t, refused, `429 "violated-policies":["`+policy+`"]`)
			if n > tt.within || n < tt.within/2 { // filters and a slow machine may cost more
				t.Errorf("%s: %d calls before the limit %s of %d, want %d", name, n, policy, tt.limit, tt.within)
			}
		}
	}
}

// Expensive operations have a limit of their own.
func TestExpensiveOperationsAreLimited(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	h.Limit(limits(t, map[string]int64{"expensive_requests": 2}))
	n, refused := untilRefused(t, acme, "POST", "/v1/events/batch", `{"events":[{"type":"a","data":1}]}`)
	apitest.Want(t, refused, `429 "violated-policies":["expensive_requests"]`)
	if n != 2 {
		t.Errorf("%d calls were answered", n)
	}
	apitest.Want(t, acme.Do("POST", "/v1/events", `{"type":"a","data":1}`), "202")
}

// Calls without a valid key are limited by their address, an IPv6 address by its
// /64. Valid keys work from such an address all the same.
func TestStrangersAreLimited(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	h.Limit(limits(t, map[string]int64{"refused_requests": 5}))
	call := func(key, address string) int {
		r := httptest.NewRequest("GET", "/v1/events", nil)
		r.RemoteAddr = address
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		w := httptest.NewRecorder()
		h.Handler.ServeHTTP(w, r)
		return w.Code
	}
	for name, key := range map[string]func() string{
		"no key": func() string { return "" }, "malformed": func() string { return "ptc_x" }, "unknown": apikey.Generate,
	} {
		for i := range 12 {
			want := http.StatusUnauthorized
			if i >= 5 {
				want = http.StatusTooManyRequests
			}
			if got := call(key(), fmt.Sprintf("[2001:db8:%x::%d]:443", len(name), i)); got != want {
				t.Errorf("%s, call %d: %d, want %d", name, i, got, want)
			}
		}
		if got := call(key(), fmt.Sprintf("[2001:db8:%x:1::1]:443", len(name))); got != http.StatusUnauthorized {
			t.Errorf("%s, from another network: %d", name, got)
		}
		if got := call(acme.Key, fmt.Sprintf("[2001:db8:%x::1]:443", len(name))); got != http.StatusOK {
			t.Errorf("%s: a valid key from the same address: %d", name, got)
		}
	}
}

// A policy can let calls wait: a few more calls than are allowed at once all succeed.
// At most twenty wait; the others are refused.
func TestCallsAreDelayed(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	h.Limit(limits(t, map[string]int64{"requests": 4}, "requests"))
	for range 12 { // 8 at once, then one each 250 ms
		apitest.Want(t, acme.Do("GET", "/v1/events", ""), "200")
	}
	var all sync.WaitGroup
	statuses := make([]int, 60)
	for i := range statuses {
		all.Go(func() { statuses[i] = acme.From("192.0.2.7:1").Status })
	}
	all.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	if count[200] == 0 || count[429] < 60-20 || count[200]+count[429] != 60 {
		t.Errorf("of 60 calls at once: %v", count)
	}
}
