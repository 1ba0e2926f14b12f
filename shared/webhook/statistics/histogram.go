package statistics

import (
	"math"
	"sort"
	"time"
)

// buckets is how many ranges of latencies are counted: up to 1 ms, and from there on
// each up to the root of 2 times longer, so the last one ends at 32.8 s, which no try
// exceeds.
const buckets = 31

// histogram counts latencies by bucket, as webhook_stat.latencies does.
type histogram [buckets]int32

// bounds are the longest latencies of the buckets.
var bounds = func() (list [buckets]time.Duration) {
	for i := range list {
		list[i] = time.Duration(math.Pow(2, float64(i)/2) * float64(time.Millisecond))
	}
	return list
}()

func bucketOf(latency time.Duration) int {
	return min(sort.Search(buckets, func(i int) bool { return latency <= bounds[i] }), buckets-1)
}

// add adds counts in the form of webhook_stat.latencies.
func (h *histogram) add(latencies []int32) {
	for i, n := range latencies[:min(len(latencies), buckets)] {
		h[i] += n
	}
}

// percentile returns the latency that p percent of the tries did not exceed; nil: there
// are none. It is the middle of a bucket, so above 1 ms it is at most a fifth too short
// or too long.
func (h *histogram) percentile(p int) *time.Duration {
	var all int64
	for _, n := range h {
		all += int64(n)
	}
	if all == 0 {
		return nil
	}
	rank := (all*int64(p) + 99) / 100
	for i, n := range h {
		if rank -= int64(n); rank <= 0 {
			return new(time.Duration(float64(bounds[i]) / math.Pow(2, 0.25)))
		}
	}
	return nil // not reached
}
