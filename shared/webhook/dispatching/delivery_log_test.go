package dispatching_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/sending"
)

// Each try is logged with what it got and how it went. A delivery has the answer of its
// last try. Values of custom headers are in no row, although the receiver repeats them.
func TestDeliveryLog(t *testing.T) {
	t.Parallel()
	const planted = "planted-secret-8Qx1"
	e := newEngine(t)
	long := strings.Repeat("b", 5000)
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.Header.Get("X-Token"))
		switch n {
		case 1:
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, r.Header.Get("X-Token"), long)
		case 2:
			<-r.Context().Done()
		default:
			w.Header().Set("X-Last", "yes")
		}
	})
	endpoint, _ := e.endpoint(rec.URL, "*")
	e.setOptions(endpoint, webhook.OptionsChange{CustomHeaders: map[string]string{"X-Token": planted}})
	e.publish(`1`)
	if d := e.deliveries(webhook.DeliveryFilter{})[0]; *d.LastAnswer != sending.AnswerNone {
		t.Errorf("the answer of a delivery without a try is %s", *d.LastAnswer)
	}
	for _, want := range []sending.Answer{sending.Answer4xx, sending.AnswerTimeout, sending.Answer2xx} {
		e.dispatch()
		if d := e.deliveries(webhook.DeliveryFilter{})[0]; *d.LastAnswer != want {
			t.Errorf("the last answer is %s, want %s", *d.LastAnswer, want)
		}
		e.Advance(t, 10*time.Minute)
	}
	attempts := e.attempts(e.deliveries(webhook.DeliveryFilter{})[0])
	if len(attempts) != 3 {
		t.Fatalf("%d attempts, want 3", len(attempts))
	}
	for i, want := range []sending.Answer{sending.Answer4xx, sending.AnswerTimeout, sending.Answer2xx} {
		a := attempts[i]
		if *a.Answer != want || a.Exchange == nil || a.Exchange.Address.String() != "127.0.0.1" || a.Exchange.FirstByte <= 0 ||
			fmt.Sprint(a.Exchange.CustomHeaders) != "[X-Token]" {
			t.Errorf("try %d: %s %+v", i+1, *a.Answer, a.Exchange)
		}
	}
	if body := string(attempts[0].ResponseBody); len(body) > 4<<10 || !strings.HasPrefix(body, "***bbb") || len(body) < 4000 {
		t.Errorf("the log has %d bytes of the first response: %.20s…", len(body), body)
	}
	if got := fmt.Sprint(attempts[2].Exchange.ResponseHeaders); !strings.Contains(got, "{X-Last yes}") || !strings.Contains(got, "{X-Echo ***}") {
		t.Errorf("the headers of the last response are %s", got)
	}
	if all := fmt.Sprintf("%+v %+v", attempts[0].Exchange, attempts[2].Exchange); strings.Contains(all, planted) {
		t.Errorf("a secret is in the log: %s", all)
	}
	if rows := testkit.Value[int](t, e.Database, `
		SELECT count(*) FROM webhook_attempt a WHERE strpos(a::text, $1) > 0 OR position($1::text::bytea IN response_body) > 0 OR position($1::text::bytea IN exchange) > 0`,
		planted); rows != 0 {
		t.Errorf("%d rows of the log have a secret", rows)
	}
}
