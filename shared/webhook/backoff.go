package webhook

import "time"

// Schedule is how long to wait after each failed try. A delivery has one try more
// than the schedule has entries; after the last one it has failed.
type Schedule []time.Duration

// DefaultSchedule makes 8 tries. The last one comes 26 h 36 min after the
// first, so a receiver that is down for a day loses nothing.
var DefaultSchedule = Schedule{
	time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 8 * time.Hour, 10 * time.Hour,
}

// FastSchedule makes 11 tries. The first retries come soon, for receivers that
// recover at once. The last one comes 72 h 42 min 35 s after the first, so a
// receiver that is down over a weekend loses nothing.
var FastSchedule = Schedule{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 28 * time.Hour,
}

// jitter is the largest random addition to a wait, as a part of the wait. It
// spreads the retries of deliveries that failed together. It only adds, so a try
// is never earlier than the schedule promises.
const jitter = 0.1

// Next returns how long to wait after `tries` failed tries, or false if no try is
// left. random is uniform in [0, 1).
func (s Schedule) Next(tries int, random float64) (time.Duration, bool) {
	if tries < 1 || tries > len(s) {
		return 0, false
	}
	wait := s[tries-1]
	return wait + time.Duration(random*jitter*float64(wait)), true
}
