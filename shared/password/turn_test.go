package password

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"portico/shared/secret"
)

// While a hash is made, another one waits, as long as its request lasts, and costs
// nothing when that ends first.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	box, err := secret.Parse(fmt.Appendf(nil, `{"current":"1","1":%q}`, strings.Repeat("one of many ", 6)))
	if err != nil {
		t.Fatal(err)
	}
	h := NewHasher(box)
	h.turn <- struct{}{} // somebody makes one
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ctx, "correct horse"); !errors.Is(err, context.Canceled) || h.Made() != 0 {
		t.Errorf("%v, %d hashes", err, h.Made())
	}
	<-h.turn
	if _, err := h.Hash(t.Context(), "correct horse"); err != nil || h.Made() != 1 || len(h.turn) != 0 {
		t.Errorf("%v, %d hashes", err, h.Made())
	}
}
