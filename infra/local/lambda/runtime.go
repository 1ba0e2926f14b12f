package lambda

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The Runtime API is served on bare connections: the goroutine with an
// invocation writes the answer to "next" directly to the waiting connection,
// without waking another goroutine. Each process has its own listener, so
// runtimes of every language that accept host:port work. Its path is known only
// to the process: other programs that reach the address can neither get
// invocations nor answer them.

func (p *process) accept(api net.Listener) {
	for {
		conn, err := api.Accept()
		if err != nil {
			return // closed: the process has ended
		}
		go p.converse(conn)
	}
}

func (p *process) converse(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 16<<10)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if err := p.handle(conn, req); err != nil {
			return
		}
	}
}

const runtimePrefix = "/2018-06-01/runtime/"

func (p *process) handle(conn net.Conn, req *http.Request) error {
	path, ok := strings.CutPrefix(req.URL.Path, "/"+p.secret+runtimePrefix)
	if !ok {
		return reply(conn, "404 Not Found", `{"errorType":"NotFound"}`)
	}
	if path == "invocation/next" {
		p.waitForWork(conn)
		return nil
	}
	body, err := readBody(req)
	if err != nil {
		return err
	}
	if path == "init/error" {
		p.fn.mu.Lock()
		p.initError = reportedError(body)
		p.fn.mu.Unlock()
		return reply(conn, "202 Accepted", `{"status":"OK"}`)
	}
	id, verb, _ := strings.Cut(strings.TrimPrefix(path, "invocation/"), "/")
	var o outcome
	switch {
	case verb == "response" && len(body) > MaxResponse:
		o.err = platformError("Function.ResponseSizeTooLarge", id, "Response payload size exceeded maximum allowed payload size (%d bytes).", MaxResponse)
	case verb == "response" && req.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "":
		o.err = reportedError([]byte(req.Trailer.Get("Lambda-Runtime-Function-Error-Type")))
	case verb == "response":
		o.payload = body
	case verb == "error":
		o.err = reportedError(body)
	default:
		return reply(conn, "404 Not Found", `{"errorType":"NotFound"}`)
	}
	return p.answer(conn, id, o)
}

// readBody reads a whole body, at most one byte more than MaxResponse.
func readBody(req *http.Request) ([]byte, error) {
	size := req.ContentLength
	if size < 0 {
		size = 512
	}
	body := make([]byte, 0, min(size, MaxResponse)+512)
	for {
		n, err := req.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
		if len(body) > MaxResponse {
			_, err := io.Copy(io.Discard, req.Body)
			return body, err
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}

// waitForWork leaves conn unanswered until assign writes to it.
func (p *process) waitForWork(conn net.Conn) {
	f := p.fn
	f.mu.Lock()
	defer f.mu.Unlock()
	p.finish(outcome{err: platformError("Runtime.NoResponse", p.currentID(), "Runtime asked for work before it answered")})
	p.next = conn
	f.park(p)
}

func (p *process) answer(conn net.Conn, id string, o outcome) error {
	p.fn.mu.Lock()
	current := p.currentID() == id
	if current {
		p.finish(o)
	}
	p.fn.mu.Unlock()
	if !current {
		return reply(conn, "400 Bad Request", `{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}`)
	}
	return reply(conn, "202 Accepted", `{"status":"OK"}`)
}

func reply(conn net.Conn, status, body string) error {
	_, err := io.WriteString(conn, "HTTP/1.1 "+status+"\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	return err
}

// writeNext answers a request for work.
func (f *Function) writeNext(conn net.Conn, id string, payload []byte) error {
	now := time.Now()
	head := make([]byte, 0, 512)
	head = append(head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: "...)
	head = append(head, id...)
	head = append(head, "\r\nLambda-Runtime-Deadline-Ms: "...)
	head = strconv.AppendInt(head, now.Add(f.Timeout).UnixMilli(), 10)
	head = append(head, "\r\nLambda-Runtime-Invoked-Function-Arn: "...)
	head = append(head, f.ARN...)
	head = fmt.Appendf(head, "\r\nLambda-Runtime-Trace-Id: Root=1-%08x-%08x%016x;Parent=%016x;Sampled=0", now.Unix(), rand.Uint32(), rand.Uint64(), rand.Uint64())
	head = append(head, "\r\nContent-Length: "...)
	head = strconv.AppendInt(head, int64(len(payload)), 10)
	head = append(head, "\r\n\r\n"...)
	message := net.Buffers{head, payload}
	_, err := message.WriteTo(conn)
	return err
}
