package jobs

import (
	"encoding/json"
	"net"
	"sync"
	"time"

	"portico/infra/bench/kinds"
)

// collector hears from the handlers of the bench's kinds.
type collector struct {
	conn net.PacketConn

	mu    sync.Mutex
	first map[int]kinds.Ran // the first time that each number ran
	all   []kinds.Ran
}

func listen(socket string) (*collector, error) {
	conn, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		return nil, err
	}
	c := &collector{conn: conn, first: map[int]kinds.Ran{}}
	go c.read()
	return c, nil
}

func (c *collector) read() {
	buffer := make([]byte, 4096)
	for {
		n, _, err := c.conn.ReadFrom(buffer)
		if err != nil {
			return // it is closed
		}
		var ran kinds.Ran
		if json.Unmarshal(buffer[:n], &ran) != nil {
			continue
		}
		c.mu.Lock()
		c.all = append(c.all, ran)
		if _, twice := c.first[ran.Number]; !twice {
			c.first[ran.Number] = ran
		}
		c.mu.Unlock()
	}
}

func (c *collector) close() { _ = c.conn.Close() }

// count returns how many numbers have run.
func (c *collector) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.first)
}

// take empties the collector.
func (c *collector) take() (first map[int]kinds.Ran, all []kinds.Ran) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first, all = c.first, c.all
	c.first, c.all = map[int]kinds.Ran{}, nil
	return first, all
}

// committed are the times at which numbers were committed.
type committed struct {
	mu sync.Mutex
	at map[int]time.Time
}

func (c *committed) put(number int, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[number] = at
}

// latencies returns how long each number took from its commit until it ran, and how
// many have not run.
func (c *committed) latencies(first map[int]kinds.Ran) (all []time.Duration, left int) {
	for number, at := range c.at {
		if ran, ok := first[number]; ok {
			all = append(all, max(0, ran.At.Sub(at)))
		} else {
			left++
		}
	}
	return all, left
}
