package web

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
)

// The cost of a request between the Lambda runtime and its handler, including
// reading and writing JSON.
func BenchmarkAnswer(b *testing.B) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"id":"evt_1"}`)
	})
	b.ReportAllocs()
	for b.Loop() {
		out, err := Gateway{handler}.Invoke(context.Background(), []byte(payload))
		if err != nil || !bytes.HasPrefix(out, []byte(`{"statusCode":202,`)) {
			b.Fatal(string(out), err)
		}
	}
}
