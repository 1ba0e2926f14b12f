package sending_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/testkit"
	"portico/shared/webhook/sending"
)

// newRawServer answers each connection with act, after it has read what is there.
func newRawServer(t *testing.T, act func(net.Conn)) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 4096))
				act(conn)
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

func says(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) }
}

// Each way in which a try can end has its answer.
func TestAnswers(t *testing.T) {
	t.Parallel()
	authority := testkit.NewAuthority(t)
	hang := testkit.NewReceiver(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	slowBody := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	demanding := testkit.NewTLSReceiver(t, authority.Demanding(tls.VersionTLS13), nil)
	foreign := testkit.NewTLSReceiver(t, testkit.NewAuthority(t).Server(), nil)
	plain := testkit.NewReceiver(t, nil)
	status := func(code int) string {
		return newRawServer(t, says(fmt.Sprintf("HTTP/1.1 %03d Such\r\nContent-Length: 0\r\n\r\n", code)))
	}
	closed := newRawServer(t, func(net.Conn) {})
	closedAt := strings.TrimPrefix(closed, "http://")
	for _, tt := range []struct {
		name, url string
		want      sending.Answer
		code      int
	}{
		{"success", plain.URL, sending.Answer2xx, 200},
		{"the last success", status(299), sending.Answer2xx, 299},
		{"redirect", status(301), sending.Answer3xx, 301},
		{"client error", status(404), sending.Answer4xx, 404},
		{"server error", status(503), sending.Answer5xx, 503},
		{"a status above all", status(999), sending.AnswerProtocol, 999},
		{"a status of nothing", status(0), sending.AnswerProtocol, 0},
		{"no answer", hang.URL, sending.AnswerTimeout, 0},
		{"half an answer", slowBody.URL, sending.AnswerTimeout, 200},
		{"a name that does not exist", "https://nowhere.invalid/", sending.AnswerDNS, 0},
		{"a private address", "https://10.0.0.1/", sending.AnswerDNS, 0},
		{"refused", "http://" + refusing(t), sending.AnswerConnection, 0},
		{"closed at once", newRawServer(t, func(net.Conn) {}), sending.AnswerConnection, 0},
		{"closed in the body", newRawServer(t, says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")), sending.AnswerConnection, 200},
		{"unknown authority", foreign.URL, sending.AnswerTLS, 0},
		{"client certificate demanded", demanding.URL, sending.AnswerTLS, 0},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), sending.AnswerTLS, 0},
		{"closed in the handshake", "https://" + closedAt, sending.AnswerTLS, 0},
		{"not HTTP", newRawServer(t, says("220 mail.example.com ESMTP\r\n")), sending.AnswerProtocol, 0},
		{"endless headers", newRawServer(t, says("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20))), sending.AnswerProtocol, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := sendTo(newSender(t, 2*time.Second, authority), tt.url)
			if o.Answer != tt.want || o.StatusCode != tt.code || o.Delivered() != (tt.want == sending.Answer2xx) {
				t.Errorf("answer %q, status %d, delivered %v, %q; want %q, %d", o.Answer, o.StatusCode, o.Delivered(), o.Error, tt.want, tt.code)
			}
		})
	}
}

// refusing returns an address at which nothing listens.
func refusing(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}
