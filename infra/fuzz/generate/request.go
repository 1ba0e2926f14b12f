package generate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Request is a request as it is sent, byte by byte: nothing in it is corrected.
type Request struct {
	Operation    *Operation // from which it was made
	Case         string     // what is special about it
	As           string     // the caller: its name
	Method       string
	Target       string // path and query
	Headers      [][2]string
	Body         []byte
	MustBeDenied bool // a success would be a defect
}

// maxShown bounds how much of a body String shows; the seed repeats the rest.
const maxShown = 4000

// String describes the request, so that a person can send it again.
func (r Request) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s, as %s\n%s %s\n", r.Operation.ID, r.Case, r.As, r.Method, short(r.Target))
	for _, h := range r.Headers {
		fmt.Fprintf(&out, "%s: %s\n", h[0], short(h[1]))
	}
	if len(r.Body) > 0 {
		fmt.Fprintf(&out, "body (%d bytes): %s\n", len(r.Body), short(string(r.Body)))
	}
	return out.String()
}

func short(text string) string {
	if len(text) > maxShown {
		return fmt.Sprintf("%+q… (%d bytes)", text[:maxShown], len(text))
	}
	return fmt.Sprintf("%+q", text)
}

// path returns the decoded path, or "" if it has none.
func (r Request) path() string {
	u, err := url.ParseRequestURI(r.Target)
	if err != nil {
		return ""
	}
	return u.Path
}

// Header returns the first value of a header.
func (r Request) Header(name string) string {
	for _, h := range r.Headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// Reply is an answer of the API.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Conn sends requests over one connection at a time.
type Conn struct {
	Address string // host and port
	conn    net.Conn
	in      *bufio.Reader
}

// maxWait is the time for one reply.
const maxWait = time.Minute

// Send sends a request and returns its reply. A connection that the server has
// closed since is opened again.
func (c *Conn) Send(r Request) (Reply, error) {
	fresh := c.conn == nil
	reply, err := c.send(r)
	if err != nil {
		c.Close()
		if !fresh {
			reply, err = c.send(r)
		}
	}
	return reply, err
}

// Close closes the connection.
func (c *Conn) Close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (c *Conn) send(r Request) (Reply, error) {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.Address)
		if err != nil {
			return Reply{}, err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(maxWait)); err != nil {
		return Reply{}, err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.Target, c.Address)
	for _, h := range r.Headers {
		fmt.Fprintf(&out, "%s: %s\r\n", h[0], h[1])
	}
	fmt.Fprintf(&out, "Content-Length: %d\r\n\r\n", len(r.Body))
	out.Write(r.Body)
	// A server may answer before it has read everything.
	_, failed := c.conn.Write(out.Bytes())
	response, err := readFinal(c.in, r.Method)
	if err != nil {
		return Reply{}, fmt.Errorf("no reply: %w", errors.Join(err, failed))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return Reply{}, err
	}
	if response.Close || failed != nil {
		c.Close()
	}
	return Reply{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// readFinal reads the reply of a request. Informational ones, such as 100 Continue,
// come before it.
func readFinal(in *bufio.Reader, method string) (*http.Response, error) {
	for {
		response, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil || response.StatusCode >= 200 {
			return response, err
		}
	}
}
