package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"portico/shared/api/edge"
	"portico/shared/clock"
	"portico/shared/lambdahost"
	"portico/shared/observe"
)

// OriginEnv names the secret that CloudFront sends with every request; "": the API
// is not behind CloudFront.
type OriginEnv struct {
	Secret string `env:"ORIGIN_SECRET"`
}

// The headers that infra/edge.yaml makes CloudFront write, over what a viewer sends
// in them. The viewer's address has the form of CloudFront-Viewer-Address.
const (
	originHeader = "X-Portico-Origin"
	viewerHeader = "X-Portico-Viewer"
	// minOrigin is the least length of the origin secret, in characters.
	minOrigin = 32
	// originFor is how long the secret's values are used before they are read again:
	// a removed value works no longer than that.
	originFor = 5 * time.Minute
	// originAgain is how long a value that is not known causes no second reading.
	originAgain = 20 * time.Second
)

// throughEdge lets only requests pass that have come through CloudFront, and gives
// them the address of their viewer. Without an ORIGIN_SECRET every request passes as
// it is, and nothing is read from its headers.
func throughEdge(ctx context.Context, h *lambdahost.Host, next http.Handler) (http.Handler, error) {
	var e OriginEnv
	if err := lambdahost.Read(&e); err != nil || e.Secret == "" {
		return next, err
	}
	o := &origin{clock: h.Clock, log: h.Log, read: func(ctx context.Context) ([]byte, error) {
		out, err := secretsmanager.NewFromConfig(h.AWS).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.Secret})
		if err != nil {
			return nil, err
		}
		return []byte(aws.ToString(out.SecretString)), nil
	}}
	if err := o.refresh(ctx); err != nil {
		return nil, fmt.Errorf("ORIGIN_SECRET: %w", err)
	}
	return o.guard(next), nil
}

// origin knows the values with which CloudFront proves itself.
type origin struct {
	clock *clock.Clock
	log   *observe.Log
	read  func(context.Context) ([]byte, error)

	mu     sync.Mutex
	hashes [][sha256.Size]byte
	readAt time.Time // of the last try
}

// guard refuses every request without a valid value, whatever its path.
func (o *origin) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.knows(r.Context(), r.Header.Get(originHeader)) {
			o.log.Line(r.Context(), slog.LevelWarn, "a request has not come through CloudFront", nil,
				slog.String("path", r.URL.Path), slog.String("address", r.RemoteAddr))
			edge.RefuseDirect(w, r)
			return
		}
		if viewer, ok := viewerOf(r.Header.Get(viewerHeader)); ok {
			r.RemoteAddr = viewer.String()
		}
		r.Header.Del(originHeader) // nothing behind may show it
		next.ServeHTTP(w, r)
	})
}

// knows reports whether a value is valid. An unknown one may be new: then the secret
// is read again.
func (o *origin) knows(ctx context.Context, value string) bool {
	if value == "" {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	old := o.clock.Now().Sub(o.readAt)
	if old >= originFor {
		_ = o.refresh(ctx) // the values stay as they are
		old = 0
	}
	if o.has(value) {
		return true
	}
	return old >= originAgain && o.refresh(ctx) == nil && o.has(value)
}

// has compares in constant time.
func (o *origin) has(value string) (known bool) {
	hash := sha256.Sum256([]byte(value))
	for _, h := range o.hashes {
		known = subtle.ConstantTimeCompare(h[:], hash[:]) == 1 || known
	}
	return known
}

// refresh reads the values.
func (o *origin) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lambdahost.AWSTimeout)
	defer cancel()
	o.readAt = o.clock.Now()
	text, err := o.read(ctx)
	if err != nil {
		return err
	}
	var values struct{ Current, Previous string }
	if json.Unmarshal(text, &values) != nil || len(values.Current) < minOrigin || values.Previous != "" && len(values.Previous) < minOrigin {
		return errors.New(`it must be {"current":"…","previous":"…"} with values of at least ` + strconv.Itoa(minOrigin) + ` characters; previous may be left out`)
	}
	o.hashes = [][sha256.Size]byte{sha256.Sum256([]byte(values.Current))}
	if values.Previous != "" {
		o.hashes = append(o.hashes, sha256.Sum256([]byte(values.Previous)))
	}
	return nil
}

// viewerOf reads an address and a port as CloudFront writes them: IPv6 without
// brackets.
func viewerOf(text string) (netip.Addr, bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return netip.Addr{}, false
	}
	if _, err := strconv.ParseUint(text[i+1:], 10, 16); err != nil {
		return netip.Addr{}, false
	}
	address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text[:i], "["), "]"))
	return address.Unmap(), err == nil && address.Zone() == ""
}
