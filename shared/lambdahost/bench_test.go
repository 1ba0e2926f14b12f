package lambdahost

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-lambda-go/events"
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
		var event events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal([]byte(payload), &event); err != nil {
			b.Fatal(err)
		}
		out, err := answer(context.Background(), handler, event)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(out); err != nil || out.StatusCode != http.StatusAccepted {
			b.Fatal(out, err)
		}
	}
}
