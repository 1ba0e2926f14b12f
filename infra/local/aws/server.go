// Package aws serves the AWS APIs that functions call, on one address and in
// the SDK's wire protocols: SQS, Secrets Manager, SES v2, S3, STS and Lambda's Invoke.
package aws

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options configure a Server.
type Options struct {
	Endpoint   string               // base URL of the server, for the URLs of queues
	Region     string               // default us-east-1
	AccountID  string               // default 000000000000
	SecretFile string               // where generated secrets are kept; empty: only in memory
	ObjectDir  string               // where the objects of buckets are kept; empty: only in memory
	Invoke     Invoke               // runs functions; nil: Lambda answers that there are none
	Now        func() time.Time     // default time.Now
	Clock      func() time.Time     // of mails and what becomes of them; default Now
	Logf       func(string, ...any) // default none
}

// Server holds the queues, secrets, mails and buckets. It is an http.Handler.
type Server struct {
	opts    Options
	secrets secretStore
	mailbox Mailbox
	ses     service
	s3      *S3

	mu     sync.Mutex
	queues map[string]*Queue
}

// NewServer returns a server without queues and with the secrets that the
// secret file remembers.
func NewServer(opts Options) (*Server, error) {
	opts.Region = cmp.Or(opts.Region, "us-east-1")
	opts.AccountID = cmp.Or(opts.AccountID, "000000000000")
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logf == nil {
		opts.Logf = func(string, ...any) {}
	}
	if opts.Clock == nil {
		opts.Clock = opts.Now
	}
	s := &Server{opts: opts, queues: map[string]*Queue{}}
	s.mailbox.now, s.ses.settings = opts.Clock, defaultAccount
	var err error
	if s.s3, err = NewS3(opts.ObjectDir); err != nil {
		return nil, err
	}
	return s, s.secrets.load(opts.SecretFile)
}

// AddBucket creates a bucket, if it is missing.
func (s *Server) AddBucket(name string) error { return s.s3.AddBucket(name) }

// Mailbox returns the mails that were sent through SES.
func (s *Server) Mailbox() *Mailbox { return &s.mailbox }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	switch {
	case strings.HasPrefix(target, "AmazonSQS."):
		s.serveRPC(w, r, sqsActions[strings.TrimPrefix(target, "AmazonSQS.")])
	case strings.HasPrefix(target, "secretsmanager."):
		s.serveRPC(w, r, secretActions[strings.TrimPrefix(target, "secretsmanager.")])
	case strings.HasPrefix(r.URL.Path, "/2015-03-31/functions/"):
		s.serveInvoke(w, r)
	case r.URL.Path == "/v2/email/outbound-emails" && r.Method == http.MethodPost:
		s.serveSendEmail(w, r)
	case strings.HasPrefix(r.URL.Path, "/v2/email/"):
		s.serveSES(w, r)
	case isSTS(r):
		s.serveSTS(w, r)
	case target == "" && s.s3.has(r.URL.Path):
		s.s3.ServeHTTP(w, r)
	default:
		writeError(w, unknownOperation(target+" "+r.Method+" "+r.URL.Path))
	}
}

// action answers one operation of a JSON RPC service.
type action func(s *Server, r *http.Request, body []byte) (any, error)

// act turns a function with typed input into an action.
func act[In any](do func(*Server, *http.Request, In) (any, error)) action {
	return func(s *Server, r *http.Request, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, &apiError{400, "SerializationException", err.Error()}
		}
		return do(s, r, in)
	}
}

// maxRequestBytes is above every limit of the services themselves.
const maxRequestBytes = 32 << 20

func (s *Server) serveRPC(w http.ResponseWriter, r *http.Request, do action) {
	if do == nil {
		writeError(w, unknownOperation(r.Header.Get("X-Amz-Target")))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		return // the client has gone, or sent more than any service accepts
	}
	out, err := do(s, r, body)
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	writeJSON(w, http.StatusOK, out)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data := []byte("{}")
	if v != nil {
		var err error
		if data, err = json.Marshal(v); err != nil {
			writeError(w, err)
			return
		}
	}
	w.Header().Set("X-Amzn-Requestid", newID())
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client may be gone
}

// apiError is an error as the SDK knows it: code is the name of its type.
type apiError struct {
	status  int
	code    string
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func invalid(code, format string, args ...any) error {
	return &apiError{400, code, fmt.Sprintf(format, args...)}
}

func unknownOperation(what string) error {
	return invalid("UnknownOperationException", "the local stack does not serve %s", strings.TrimSpace(what))
}

// writeError writes the code in each place where a protocol expects it: in the
// body, in X-Amzn-Errortype, and for SQS in the header of its query-compatible
// mode.
func writeError(w http.ResponseWriter, err error) {
	e := new(apiError)
	if !errors.As(err, &e) {
		e = &apiError{500, "InternalFailure", err.Error()}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Errortype", e.code)
	if old, ok := queryCodes[e.code]; ok {
		w.Header().Set("X-Amzn-Query-Error", old+";Sender")
	}
	writeJSON(w, e.status, map[string]string{"__type": e.code, "message": e.message})
}

// newID returns a random id in the form of a UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
