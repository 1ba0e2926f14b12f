package transport_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/emersion/go-smtp"

	"context"

	"portico/infra/local/aws"
	"portico/shared/mail/transport"
	"portico/shared/testkit"
)

// sender is a transport.
type sender interface {
	Send(ctx context.Context, m transport.Message) (providerID string, err error)
	Dedupes() bool
}

// reply is how a stand-in answers the next mail.
type reply int

const (
	accept     reply = iota
	refuse           // this mail
	refuseUs         // our key, login or sender
	slowDown         // for seven seconds, where the service can say so
	fail             // a passing error, before the mail is accepted
	acceptMute       // accept, and break the connection instead of answering
)

// received is a mail as a stand-in got it.
type received struct {
	From, To  mail.Address
	Subject   string
	HTML      string
	Text      string
	Headers   []string // names, sorted
	Unsub     [2]string
	MailID    string
	Recipient []string // of the envelope, where there is one
	Raw       []byte   // where there is one
}

// standIn is a service.
type standIn struct {
	name string
	sender
	mu    sync.Mutex
	next  reply
	mails []received
	login int
}

func (s *standIn) logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.login
}

func (s *standIn) answerWith(next reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = next
}

func (s *standIn) reply() reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

func (s *standIn) add(r received) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, r)
}

// taken returns the mails that were accepted since it was last called.
func (s *standIn) taken() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.mails
	s.mails = nil
	return all
}

func standIns(t *testing.T) []*standIn {
	t.Helper()
	return []*standIn{ses(t), smtpServer(t, nil), resendService(t)}
}

// parse reads a message from the wire.
func parse(t *testing.T, raw []byte) received {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	r := received{Raw: raw}
	for name := range m.Header {
		r.Headers = append(r.Headers, name)
	}
	slices.Sort(r.Headers)
	for header, to := range map[string]*mail.Address{"From": &r.From, "To": &r.To} {
		list, err := m.Header.AddressList(header)
		if err != nil || len(list) != 1 || len(m.Header[header]) != 1 {
			t.Fatalf("%s has %d addresses (%v) in\n%s", header, len(list), err, raw)
		}
		*to = *list[0]
	}
	r.Unsub = [2]string{m.Header.Get("List-Unsubscribe"), m.Header.Get("List-Unsubscribe-Post")}
	var decoded aws.Mail
	decoded.Raw = raw
	testkit.Must(t, decoded.ReadRaw())
	r.Subject, r.HTML, r.Text = decoded.Subject, decoded.HTML, decoded.Text
	return r
}

// ses is the local stack's SES, with errors in front of it.
func ses(t *testing.T) *standIn {
	t.Helper()
	local, err := aws.NewServer(aws.Options{})
	testkit.Must(t, err)
	s := &standIn{name: "SES"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		say := func(status int, kind string) {
			w.Header().Set("X-Amzn-ErrorType", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"message":"no"}`)
		}
		switch s.reply() {
		case refuse:
			say(400, "MessageRejected")
			return
		case refuseUs:
			say(400, "MailFromDomainNotVerifiedException")
			return
		case slowDown:
			w.Header().Set("Retry-After", "7")
			say(429, "TooManyRequestsException")
			return
		case fail:
			say(400, "SendingPausedException")
			return
		case acceptMute:
			local.ServeHTTP(httptest.NewRecorder(), r)
			defer panic(http.ErrAbortHandler)
		default:
			local.ServeHTTP(w, r)
		}
		m := local.Mailbox().List()[0]
		got := parse(t, m.Raw)
		got.Recipient = m.To
		if len(m.Tags) == 1 && m.ConfigurationSet == "product" {
			got.MailID = m.Tags[0]
		}
		s.add(got)
	}))
	t.Cleanup(server.Close)
	s.sender = transport.NewSES(config(server.URL), "product")
	return s
}

func config(url string) sdk.Config {
	return sdk.Config{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("k", "s", "")}
}

// smtpServer is a server with STARTTLS that demands a login.
func smtpServer(t *testing.T, key *transport.DKIM) *standIn {
	t.Helper()
	authority := testkit.NewAuthority(t)
	s := &standIn{name: "SMTP"}
	host, port := listen(t, s, authority.Server())
	var err error
	s.sender, err = transport.NewSMTP(transport.SMTPServer{
		Host: host, Port: port, Username: "user", Password: "password", TLS: &tls.Config{RootCAs: authority.Pool()}, Timeout: 10 * time.Second, DKIM: key,
	})
	testkit.Must(t, err)
	return s
}

func listen(t *testing.T, s *standIn, config *tls.Config) (host string, port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{t: t, s: s, conn: c}, nil
	}))
	server.TLSConfig, server.Domain, server.AllowInsecureAuth = config, "mx.test", true
	server.ErrorLog = quiet{}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	address := listener.Addr().(*net.TCPAddr)
	return address.IP.String(), address.Port
}

// quiet drops the server's log: connections that a test breaks are no news.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// session is one connection to the SMTP server.
type session struct {
	t       *testing.T
	s       *standIn
	conn    *smtp.Conn
	from    string
	to      []string
	trusted bool
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if _, secure := s.conn.TLSConnectionState(); !secure || !s.trusted {
		s.t.Error("a mail came without TLS or without a login")
	}
	s.from = from
	if s.s.reply() == slowDown {
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "Too many mails"}
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	switch s.s.reply() {
	case refuse:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user"}
	case fail:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Try later"}
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	got := parse(s.t, raw)
	got.Recipient = s.to
	s.s.add(got)
	if s.s.reply() == acceptMute {
		s.conn.Close()
	}
	return nil
}

// resendService answers as https://resend.com/docs/api-reference/errors says.
func resendService(t *testing.T) *standIn {
	t.Helper()
	s := &standIn{name: "Resend"}
	keys := map[string]string{} // the id of the mail of a key
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		say := func(status int, name string) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(status)
			testkit.Must(t, json.NewEncoder(w).Encode(map[string]any{"statusCode": status, "name": name, "message": "no"}))
		}
		switch s.reply() {
		case refuse:
			say(422, "invalid_parameter")
			return
		case refuseUs:
			say(403, "invalid_api_key")
			return
		case slowDown:
			w.Header().Set("Retry-After", "7")
			say(429, "rate_limit_exceeded")
			return
		case fail:
			say(403, "validation_error")
			return
		}
		var in struct {
			From, Subject, HTML, Text string
			To                        []string
			Headers                   map[string]string
			Tags                      []struct{ Name, Value string }
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != "/emails" || r.Header.Get("Authorization") != "Bearer re_key" {
			t.Errorf("%v: %s %s", err, r.URL, r.Header)
		}
		key := r.Header.Get("Idempotency-Key")
		if keys[key] == "" {
			keys[key] = "resend-" + strconv.Itoa(len(keys))
			got := received{Subject: in.Subject, HTML: in.HTML, Text: in.Text, Recipient: []string{addressOf(t, in.To[0]).Address}}
			got.From, got.To = addressOf(t, in.From), addressOf(t, in.To[0])
			for name := range in.Headers {
				got.Headers = append(got.Headers, name)
			}
			slices.Sort(got.Headers)
			got.Unsub = [2]string{in.Headers["List-Unsubscribe"], in.Headers["List-Unsubscribe-Post"]}
			got.MailID = in.Tags[0].Name + "=" + in.Tags[0].Value
			s.add(got)
		}
		if s.reply() == acceptMute {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		testkit.Must(t, json.NewEncoder(w).Encode(map[string]string{"id": keys[key]}))
	}))
	t.Cleanup(server.Close)
	var err error
	s.sender, err = transport.NewResend("re_key", server.URL+"/", 10*time.Second)
	testkit.Must(t, err)
	return s
}

func addressOf(t *testing.T, text string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return *a
}
