package override

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/pg"
)

// Projection writes the overrides of organizations to the items in which their calls
// are counted. An item's key is the organization's id.
type Projection struct {
	table dynamo.Table
	clock *clock.Clock
}

// NewProjection returns the projection in the table of limits.
func NewProjection(client *dynamodb.Client, table string, clock *clock.Clock) *Projection {
	return &Projection{table: dynamo.NewTable(client, table, "id"), clock: clock}
}

// keepFor is how long an item without overrides is kept, until its calls are counted
// again.
const keepFor = 24 * time.Hour

// Project writes the overrides of an organization as the transaction sees them. The
// caller must have locked the organization's row. It is called before the commit, so
// no change is reported that is not effective. If the commit then fails, the
// projection is ahead until the change is repeated or a key of the organization is
// projected.
//
// An item with overrides has no expires_at: DynamoDB must not remove it.
func (p *Projection) Project(ctx context.Context, tx pg.Tx, org id.Org) error {
	list, err := List(ctx, tx, org, org.UUID)
	if err != nil {
		return err
	}
	return p.Put(ctx, org, Limits(list, org.UUID))
}

// Put does the same with overrides that were read before.
func (p *Projection) Put(ctx context.Context, org id.Org, limits limit.Overrides) error {
	names := map[string]string{"#limits": limit.OverrideAttribute}
	w := dynamo.Write{
		Update: "SET #limits = :limits REMOVE expires_at", Names: names,
		Values: dynamo.Item{":limits": dynamo.Text(limits.String())},
	}
	if len(limits) == 0 {
		w = dynamo.Write{
			Update: "SET expires_at = :at REMOVE #limits", If: "attribute_exists(#limits)", Names: names,
			Values: dynamo.Item{":at": dynamo.Number(p.clock.Now().Add(keepFor).Unix())},
		}
	}
	err := p.table.Update(ctx, org.String(), w)
	if err != nil && !dynamo.IsRefused(err) {
		return fault.ErrAway.Because(fmt.Errorf("override.Put: %w", err))
	}
	return nil
}

// Remove deletes all that the table has about an organization.
func (p *Projection) Remove(ctx context.Context, org id.Org) error {
	if err := p.table.Delete(ctx, org.String(), dynamo.Write{}); err != nil {
		return fmt.Errorf("override.Remove: %w", err)
	}
	return nil
}
