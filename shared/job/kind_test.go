package job_test

import (
	"strings"
	"testing"
	"time"

	"portico/shared/job"
)

// A program with a wrong kind, or two kinds of one name, does not start.
func TestRegistryRefuses(t *testing.T) {
	wrong := func(change func(*job.Kind[note])) job.Kind[note] {
		k := writing
		change(&k)
		return k
	}
	type other struct{ Number int }
	for _, tt := range []struct {
		says  string
		kinds []job.Declared
	}{
		{"declared twice", []job.Declared{writing, job.Kind[other]{Name: writing.Name, Queue: job.Bulk, Work: job.Call[other, int](nil, nil)}}},
		{"needs a name", []job.Declared{wrong(func(k *job.Kind[note]) { k.Name = "Write it" })}},
		{"has no queue", []job.Declared{wrong(func(k *job.Kind[note]) { k.Queue = "fast" })}},
		{"at most 14m0s", []job.Declared{wrong(func(k *job.Kind[note]) { k.Timeout = 15 * time.Minute })}},
		{"has no work", []job.Declared{wrong(func(k *job.Kind[note]) { k.Work = job.Work[note]{} })}},
	} {
		if _, err := job.NewRegistry(tt.kinds...); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("got %v, want %q", err, tt.says)
		}
	}
	if _, err := job.NewRegistry(writing); err != nil {
		t.Error(err)
	}
}
