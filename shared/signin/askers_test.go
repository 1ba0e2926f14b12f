package signin_test

import (
	"fmt"
	"testing"
	"time"

	"portico/shared/testkit"
)

// The first ones who ask stay among them, also of many at once; others do not get in.
func TestAmong(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		asks := make(chan string, 20)
		for i := range cap(asks) {
			asks <- fmt.Sprint("asker ", i)
		}
		first := make(chan string, cap(asks))
		n := winners(cap(asks), func() error {
			asker := <-asks
			among, err := b.Among(t.Context(), "a link", asker, 5, time.Minute)
			if err == nil && !among {
				err = fmt.Errorf("%s is late", asker)
			}
			if err == nil {
				first <- asker
			}
			return err
		})
		if n != 5 {
			t.Fatalf("%d are among the first, want 5", n)
		}
		for range n {
			again, err := b.Among(t.Context(), "a link", <-first, 5, time.Minute)
			if testkit.Must(t, err); !again {
				t.Error("one of the first is not among them any more")
			}
		}
		other, err := b.Among(t.Context(), "another link", "late", 5, time.Minute)
		if testkit.Must(t, err); !other {
			t.Error("nobody has asked for the other link")
		}
		b.hides("link", "late ")
	})
}
