package role

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// kind is a type of resource for which permissions can be granted on single
// resources.
type kind struct {
	prefix      string
	permissions []auth.Permission
	load        func(context.Context, pg.Tx, id.Org, string) (map[string]any, error)
}

// kinds are all such types, by their noun.
var kinds = map[string]kind{
	"webhook_endpoint": {"we", []auth.Permission{auth.WebhookEndpointsRead, auth.WebhookEndpointsWrite, auth.DeliveriesRead, auth.DeliveriesWrite}, loadEndpoint},
	"event":            {"evt", []auth.Permission{auth.EventsRead}, loadEvent},
}

// ErrNoResource is returned when the resource does not exist or belongs to another
// organization.
var ErrNoResource = fault.New(fault.NotFound, "resource_not_found", "Your organization has no resource with this id.").
	Means("Your organization has no resource with this id.")

// Load returns the organization's resource with an id such as we_…, with what
// conditions may look at, or ErrNoResource. field is where the id was given.
func Load(ctx context.Context, tx pg.Tx, org id.Org, field, resource string) (auth.Resource, error) {
	prefix, _, _ := strings.Cut(resource, "_")
	for noun, k := range kinds {
		if k.prefix != prefix {
			continue
		}
		attributes, err := k.load(ctx, tx, org, resource)
		if errors.Is(err, errForm) {
			break
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return auth.Resource{}, ErrNoResource
		}
		if err != nil {
			return auth.Resource{}, fmt.Errorf("role.Load %s: %w", noun, err)
		}
		return auth.Resource{Type: noun, ID: resource, Attributes: attributes}, nil
	}
	return auth.Resource{}, fault.InvalidField(field, "must be the id of a webhook endpoint (we_…) or an event (evt_…)")
}

// ResourceOf returns the resource that decides who may see or change an object of the
// organization: the object itself, or the endpoint of a delivery or recovery. It
// returns ErrNoResource if there is no such object.
func ResourceOf(ctx context.Context, tx pg.Tx, org id.Org, object string) (auth.Resource, error) {
	resource, err := object, error(nil)
	if delivery, wrong := id.Parse[id.Delivery](object); wrong == nil {
		lo, hi := delivery.Bounds()
		resource, err = endpointOf(ctx, tx, `SELECT endpoint_id FROM webhook_delivery WHERE org_id = $1 AND event_id BETWEEN $3 AND $4 AND id = $2`, org, delivery, lo, hi)
	} else if recovery, wrong := id.Parse[id.Recovery](object); wrong == nil {
		resource, err = endpointOf(ctx, tx, `SELECT endpoint_id FROM webhook_recovery WHERE org_id = $1 AND id = $2`, org, recovery)
	}
	if err != nil {
		return auth.Resource{}, err
	}
	return Load(ctx, tx, org, "id", resource)
}

func endpointOf(ctx context.Context, tx pg.Tx, sql string, args ...any) (string, error) {
	endpoint, err := pg.Value[id.WebhookEndpoint](ctx, tx, "role.ResourceOf", sql, args...)
	if err != nil || endpoint.IsZero() {
		return "", cmp.Or(err, error(ErrNoResource))
	}
	return endpoint.String(), nil
}

// HasResources reports whether a permission can be granted on single resources.
func HasResources(p auth.Permission) bool {
	for _, k := range kinds {
		if slices.Contains(k.permissions, p) {
			return true
		}
	}
	return false
}

// Decides reports whether the objects of a noun are resources, or parts of one: see
// ResourceOf.
func Decides(noun string) bool {
	return kinds[noun].prefix != "" || noun == "delivery" || noun == "recovery"
}

var errForm = errors.New("malformed id")

func loadEndpoint(ctx context.Context, tx pg.Tx, org id.Org, resource string) (map[string]any, error) {
	endpoint, err := id.Parse[id.WebhookEndpoint](resource)
	if err != nil {
		return nil, errForm
	}
	var url, status string
	var metadata map[string]string
	err = tx.QueryRow(ctx, `
		SELECT url, status, metadata FROM webhook_endpoint WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL`, org, endpoint).
		Scan(&url, &status, &metadata)
	return map[string]any{"url": url, "status": status, "metadata": metadata}, err
}

func loadEvent(ctx context.Context, tx pg.Tx, org id.Org, resource string) (map[string]any, error) {
	event, err := id.Parse[id.Event](resource)
	if err != nil {
		return nil, errForm
	}
	var name string
	err = tx.QueryRow(ctx, `SELECT type FROM event WHERE org_id = $1 AND id = $2`, org, event).Scan(&name)
	return map[string]any{"event_type": name}, err
}
