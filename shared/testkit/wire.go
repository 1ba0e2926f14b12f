package testkit

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Wire stands between a program and Postgres: it counts the round trips, and can
// cut a session off before the program hears what became of its last one.
type Wire struct {
	URL   string // of the wire, in place of the server's
	trips atomic.Int64
	cut   atomic.Bool

	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
}

// NewWire listens on loopback until the test ends. url is the server's, without TLS.
func NewWire(t testing.TB, server string) *Wire {
	t.Helper()
	at, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{listener: listener}
	t.Cleanup(w.Stop)
	to := at.Host
	at.Host = listener.Addr().String()
	query := at.Query()
	query.Set("sslmode", "disable") // it would begin with an answer of one byte
	at.RawQuery = query.Encode()
	w.URL = at.String()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			go w.connect(client, to)
		}
	}()
	return w
}

// Stop ends all sessions and refuses new ones, as a server that has stopped.
func (w *Wire) Stop() {
	_ = w.listener.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
}

// Trips returns how many times the program has waited for an answer since the
// last call.
func (w *Wire) Trips() int { return int(w.trips.Swap(0)) }

// LoseNextAnswer lets the server do all of the next round trip, and closes the
// session in place of the answer.
func (w *Wire) LoseNextAnswer() { w.cut.Store(true) }

func (w *Wire) connect(client net.Conn, to string) {
	server, err := net.Dial("tcp", to)
	if err != nil {
		_ = client.Close()
		return
	}
	w.mu.Lock()
	w.conns = append(w.conns, client, server)
	w.mu.Unlock()
	go func() {
		w.ask(client, server)
		_ = server.Close()
	}()
	w.answer(server, client)
	_ = client.Close()
}

// ask passes on what the program sends. Sync and Query end a round trip's part
// of it: https://www.postgresql.org/docs/15/protocol-message-formats.html.
func (w *Wire) ask(from, to net.Conn) {
	hasType := false // the first message has none
	for {
		kind, message, err := readMessage(from, hasType)
		if err != nil {
			return
		}
		if hasType && (kind == 'S' || kind == 'Q') {
			w.trips.Add(1)
		}
		hasType = true
		if _, err := to.Write(message); err != nil {
			return
		}
	}
}

// answer passes on what the server sends, up to the end of a round trip that is
// to be lost.
func (w *Wire) answer(from, to net.Conn) {
	for losing := false; ; {
		kind, message, err := readMessage(from, true)
		if err != nil {
			return
		}
		losing = losing || w.cut.Swap(false)
		if losing {
			if kind == 'Z' { // ReadyForQuery: all is done
				return
			}
			continue
		}
		if _, err := to.Write(message); err != nil {
			return
		}
	}
}

// readMessage returns a message with its head: a type, unless it is the first,
// and a length that counts itself.
func readMessage(from io.Reader, hasType bool) (kind byte, message []byte, err error) {
	head := make([]byte, 4)
	if hasType {
		head = make([]byte, 5)
	}
	if _, err := io.ReadFull(from, head); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head[len(head)-4:])
	message = append(head, make([]byte, length-4)...)
	_, err = io.ReadFull(from, message[len(head):])
	return head[0], message, err
}
