package egress

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
)

// ErrTooManyDials is wrapped by the error of a dial that WithDials does not
// allow.
var ErrTooManyDials = errors.New("the request has opened too many connections")

type dialsKey struct{}

// WithDials returns the context of a request that may open n connections. An
// HTTP/2 server can close every new connection before a request is sent; without
// a limit net/http would dial again, hundreds of times a second.
func WithDials(ctx context.Context, n int32) context.Context {
	left := new(atomic.Int32)
	left.Store(n)
	return context.WithValue(ctx, dialsKey{}, left)
}

// bounded wraps a dial function so that it respects WithDials.
func bounded(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if left, ok := ctx.Value(dialsKey{}).(*atomic.Int32); ok && left.Add(-1) < 0 {
			return nil, ErrTooManyDials
		}
		return dial(ctx, network, address)
	}
}
