package statistics

import "time"

// PercentileOf returns the percentile that is estimated for these latencies.
func PercentileOf(latencies []int64, p int) *time.Duration {
	var h histogram
	for _, l := range latencies {
		h[bucketOf(time.Duration(l))]++
	}
	return h.percentile(p)
}
