package scim_test

import (
	"strconv"
	"testing"
	"time"

	"portico/shared/dynamo"
	"portico/shared/limit"
	"portico/shared/testkit"
)

// limited bounds what a directory and an address may do, to ten requests and five refused ones
// at once.
func (s *stage) limited() {
	s.Helper()
	client, counts := testkit.Table(s.T, testkit.DynamoDBEndpoint(s.T), "id")
	limits, err := limit.NewPolicies(map[string]int64{
		"requests": 5, "expensive_requests": 1000, "work": 1000, "organization_requests": 1000, "organization_work": 1000, "refused_requests": 5,
	})
	testkit.Must(s.T, err)
	settings := limit.Settings{Policies: limits, Budget: time.Minute}
	items := func(scope limit.Scope) *limit.Items {
		return &limit.Items{Settings: settings.Of(scope), Table: dynamo.NewTable(client, counts, "id"), Expires: true, Now: s.h.Clock.Now}
	}
	s.handler.Directories, s.handler.Addresses = items(limit.ByKey), items(limit.ByAddress)
}

// until sends requests until one is answered otherwise than before, and returns after which
// time the answer says to come back. Each answer has SCIM's form, see stage.do.
func (s *stage) until(allowed string) time.Duration {
	s.Helper()
	for range 50 {
		r := s.do("GET", "/Users", "")
		if r.Status != 429 {
			if strconv.Itoa(r.Status) != allowed {
				s.Fatalf("%d %s", r.Status, r.Body)
			}
			continue
		}
		seconds, err := strconv.Atoi(r.Header.Get("Retry-After"))
		if err != nil || seconds < 1 || seconds > 60 {
			s.Fatalf("Retry-After is %q", r.Header.Get("Retry-After"))
		}
		return time.Duration(seconds) * time.Second
	}
	s.Fatal("there is no limit")
	return 0
}

// Who sends too much, with the directory's token or without a valid one, is told so in SCIM's
// form, and may go on after the time in Retry-After.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.limited()
	wait := s.until("200")
	s.h.Clock.Advance(wait)
	s.wants("GET", "/Users", "", "200 ")
	s.until("200")
	own := s.token
	s.token = "pds_" + own[4:len(own)-1] + map[bool]string{true: "A", false: "B"}[own[len(own)-1] != 'A']
	wait = s.until("401")
	s.h.Clock.Advance(wait)
	s.wants("GET", "/Users", "", "401 ")
	s.until("401")
	s.token = own // another's guesses take nothing from who has the token
	s.wants("GET", "/Users", "", "200 ")
}
