package webhook

import (
	"context"
	"sync/atomic"
	"time"
)

// room counts the requests in flight. One goroutine takes places, many leave.
type room struct {
	size  int64
	taken *atomic.Int64
	left  chan struct{} // somebody left since the last look
}

func newRoom(size int) room {
	return room{size: int64(size), taken: &atomic.Int64{}, left: make(chan struct{}, 1)}
}

func (r room) take() { r.taken.Add(1) }

func (r room) leave() {
	r.taken.Add(-1)
	select {
	case r.left <- struct{}{}:
	default:
	}
}

func (r room) empty() bool { return r.taken.Load() == 0 }

// wait returns how many places are free, after waiting until at least want are
// or a moment has passed. Small claims cost as much as large ones.
func (r room) wait(ctx context.Context, want int) int {
	var late <-chan time.Time
	for {
		free := int(r.size - r.taken.Load())
		if free >= want || free == int(r.size) {
			return free
		}
		if late == nil {
			timer := time.NewTimer(gatherAtMost / 2)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-ctx.Done():
			return 0
		case <-late:
			return int(r.size - r.taken.Load())
		case <-r.left:
		}
	}
}
