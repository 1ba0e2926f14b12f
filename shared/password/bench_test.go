package password_test

import (
	"context"
	"testing"

	"portico/shared/password"
	"portico/shared/testkit"
)

// What hashing a password takes, as for each sign-in.
func BenchmarkHash(b *testing.B) {
	h := password.NewHasher(testkit.Box(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Hash(context.Background(), "correct horse battery staple"); err != nil {
			b.Fatal(err)
		}
	}
}
