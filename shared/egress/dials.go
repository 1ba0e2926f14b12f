package egress

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
)

// ErrTooManyDials is in the chain of a dial beyond what WithDials allows.
var ErrTooManyDials = errors.New("the request has opened too many connections")

type dialsKey struct{}

// WithDials returns the context of a request that may open n connections. A
// server of HTTP/2 can turn every new connection away before it carries
// anything; net/http then dials again, hundreds of times a second.
func WithDials(ctx context.Context, n int32) context.Context {
	left := new(atomic.Int32)
	left.Store(n)
	return context.WithValue(ctx, dialsKey{}, left)
}

// bounded makes a dial that keeps to WithDials.
func bounded(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if left, ok := ctx.Value(dialsKey{}).(*atomic.Int32); ok && left.Add(-1) < 0 {
			return nil, ErrTooManyDials
		}
		return dial(ctx, network, address)
	}
}
