package hostname

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/cache"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/fault"
	"portico/shared/id"
)

const (
	// cacheFor is how long one execution environment uses what it has read: after
	// that time a released name identifies no organization.
	cacheFor = 5 * time.Second
	// cacheSize bounds the memory of an environment that sees many names.
	cacheSize = 10_000
)

// Hosts finds the organization of a host name in DynamoDB, which has an item for
// each claimed name with its organization and domain. Guarantee: at most one
// domain has a name, in all databases together. A name is claimed or released
// only under the lock of the domain's committed row. So, after a crash in
// between, every claim still has its row.
type Hosts struct {
	// Base is the domain whose subdomains organizations may have; "": none.
	Base string
	// Resolver asks DNS; nil: the resolver of this machine.
	Resolver *net.Resolver

	table dynamo.Table
	clock *clock.Clock

	orgs *cache.Cache[string, id.Org] // zero: nobody holds the name
}

// NewHosts returns the names kept in table.
func NewHosts(client *dynamodb.Client, table, base string, clock *clock.Clock) *Hosts {
	return &Hosts{Base: strings.ToLower(base), table: dynamo.NewTable(client, table, "name"), clock: clock, orgs: cache.New[string, id.Org](cacheSize, cacheFor)}
}

// Org returns the organization that a request's host identifies; zero: none. The
// port is ignored. It asks DynamoDB at most once, and not at all for our own
// hosts or while the answer is cached.
func (h *Hosts) Org(ctx context.Context, host string) (id.Org, error) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if h.isOurs(name) {
		return id.Org{}, nil
	}
	now := h.clock.Now()
	if org, fresh := h.orgs.Get(name, now); fresh {
		return org, nil
	}
	held, err := h.holder(ctx, name)
	if err != nil {
		return id.Org{}, err
	}
	h.orgs.Put(name, held.org, now)
	return held.org, nil
}

// isOurs reports whether a host is the API's own, or not a host name.
func (h *Hosts) isOurs(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || !isName(host) || isAmazons(host) || h.Base != "" && (host == h.Base || host == "api."+h.Base)
}

// holding is the owner of a name as its item says; zero: the name is free.
type holding struct {
	org    id.Org
	domain id.Domain
}

// holder returns the owner of a name with a strongly consistent read.
func (h *Hosts) holder(ctx context.Context, name string) (held holding, err error) {
	item, err := h.table.Get(ctx, name)
	if err != nil {
		return held, away("holder", err)
	}
	if len(item) == 0 {
		return held, nil
	}
	if held.org, err = id.Parse[id.Org](dynamo.TextOf(item["org"])); err != nil {
		return held, fmt.Errorf("hostname.holder: item of %s: %w", name, err)
	}
	if held.domain, err = id.Parse[id.Domain](dynamo.TextOf(item["domain"])); err != nil {
		return held, fmt.Errorf("hostname.holder: item of %s: %w", name, err)
	}
	return held, nil
}

// claim gives a name to a domain, or returns ErrTaken. It may be repeated.
func (h *Hosts) claim(ctx context.Context, org id.Org, d Domain) error {
	own := isOf(d)
	own.If = "attribute_not_exists(#domain) OR #domain = :domain"
	err := h.table.Put(ctx, d.Name, dynamo.Item{"org": dynamo.Text(org.String()), "domain": dynamo.Text(d.ID.String())}, own)
	h.orgs.Delete(d.Name)
	if dynamo.IsRefused(err) {
		return ErrTaken
	}
	return away("claim", err)
}

// release makes a name of a domain free. It does nothing if the domain does not
// have the name. It may be repeated.
func (h *Hosts) release(ctx context.Context, d Domain) error {
	err := h.table.Delete(ctx, d.Name, isOf(d))
	h.orgs.Delete(d.Name)
	if dynamo.IsRefused(err) {
		return nil
	}
	return away("release", err)
}

// isOf is true for an item of a name that the domain has.
func isOf(d Domain) dynamo.Write {
	return dynamo.Write{
		If: "#domain = :domain", Names: map[string]string{"#domain": "domain"}, Values: dynamo.Item{":domain": dynamo.Text(d.ID.String())},
	}
}

// away is the fault of a store that does not answer; nil stays nil.
func away(during string, err error) error {
	if err == nil {
		return nil
	}
	return fault.ErrAway.Saying("Domains cannot be looked up at the moment. Send the request again.").Because(fmt.Errorf("hostname.%s: %w", during, err))
}
