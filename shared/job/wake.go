package job

import (
	"fmt"
	"slices"
	"strings"

	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Announce makes every transaction of db that adds jobs to a queue tell the queue's
// runners, see claim.Announce. wakers are those of the queue.
func Announce(db *pg.DB, queue Queue, wakers pg.Databases[*claim.Waker], clock *clock.Clock, log *observe.Log) {
	claim.Announce(db, string(queue), wakers, clock, log, func(lanes []string) (text string, isDue bool) {
		lanes = slices.DeleteFunc(lanes, isLater)
		return payload(lanes), len(lanes) > 0
	})
}

// later is in place of a lane whose new jobs are due in more than a minute: nobody has
// to be awake for them.
const later = ""

func isLater(lane string) bool { return lane == later }

// LookAgain makes the next sweep find out when something of a queue is due, because
// the transaction has changed that, for example for a schedule.
func LookAgain(tx pg.Tx, q Queue) { pg.Raise(tx, string(q), later) }

// laneText names a lane in a notification: a line with the organization and the
// kind.
func laneText(l Lane) string { return fmt.Sprintf("%s %s\n", l.OrgID.UUID, l.Kind) }

// maxNotified bounds a notification, which Postgres limits to 8,000 bytes.
const maxNotified = 7000

// payload names lanes in a notification; "": there are too many, and the runner has
// to look.
func payload(lanes []string) string {
	slices.Sort(lanes)
	text := strings.Join(lanes, "")
	if len(text) > maxNotified {
		return ""
	}
	return text
}
