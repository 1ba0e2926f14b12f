package e2e

import (
	"net/http"
	"testing"
	"time"

	"portico/shared/jobs"
	"portico/shared/testkit"
)

// A closed organization is erased the next day: the sweeper deploys the schedules
// and fires them, the nudge starts the function of the queue bulk, its first job
// adds one for the organization, and both finish.
func TestClosedOrganizationIsErased(t *testing.T) {
	t.Parallel()
	s := own(t)
	c := newCustomer(t, s)
	testkit.Must(t, s.FireSchedule(t.Context(), "SweeperFunction"))
	if n := count(t, s, `SELECT count(*)::int FROM job_schedule WHERE next_at > portico_now()`); n != len(jobs.Schedules)+len(jobs.SESSchedules) {
		t.Fatalf("%d schedules are deployed, want %d", n, len(jobs.Schedules)+len(jobs.SESSchedules))
	}
	var own struct{ ID string }
	c.Do("GET", "/v1/organization", "", http.StatusOK, &own)
	c.Do("DELETE", "/v1/organizations/"+own.ID, "", http.StatusAccepted, nil)
	testkit.Must(t, s.SetClockOffset(t.Context(), 25*time.Hour))
	testkit.Must(t, s.FireSchedule(t.Context(), "SweeperFunction"))
	testkit.Await(t, "the organization to be erased", func() bool {
		return count(t, s, `SELECT count(*)::int FROM organization WHERE deleted_at IS NOT NULL`) == 0
	})
	testkit.Await(t, "both jobs to finish", func() bool {
		return count(t, s, `SELECT count(*)::int FROM job_log WHERE kind LIKE 'organization.erase%' AND outcome = 'succeeded'`) == 2 &&
			count(t, s, `SELECT count(*)::int FROM job`) == 0
	})
}
