package override_test

import (
	"testing"

	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/limit/override"
	"portico/shared/testkit"
)

// The item of an organization has its overrides and what else is in it. It has no end
// while there are overrides. Without overrides no item is made.
func TestProject(t *testing.T) {
	t.Parallel()
	for name, endpoint := range testkit.DynamoDBEndpoints(t) {
		t.Run(name, func(t *testing.T) {
			db, ctx := testkit.DB(t), t.Context()
			client, tableName := testkit.Table(t, endpoint, "id")
			p, table := override.NewProjection(client, tableName, db.Clock), dynamo.NewTable(client, tableName, "id")
			org := id.New[id.Org](db.Clock.Now())
			testkit.Must(t, p.Put(ctx, org, limit.Overrides{}))
			if item, err := table.Get(ctx, org.String()); len(item) != 0 || err != nil {
				t.Errorf("an item without overrides: %v, %v", item, err)
			}
			testkit.Must(t, table.Put(ctx, org.String(), dynamo.Item{"expires_at": dynamo.Number(1), "counted": dynamo.Number(7)}, dynamo.Write{}))
			for _, step := range []struct {
				limits limit.Overrides
				text   string
			}{{limit.Overrides{"organization_work": 5}, "organization_work=5"}, {nil, ""}} {
				testkit.Must(t, p.Put(ctx, org, step.limits))
				item, err := table.Get(ctx, org.String())
				end, ends, _ := dynamo.NumberOf(item["expires_at"])
				counted, _, _ := dynamo.NumberOf(item["counted"])
				if err != nil || dynamo.TextOf(item["limits"]) != step.text || counted != 7 || ends != (step.text == "") || ends && end <= db.Clock.Now().Unix() {
					t.Errorf("with %v: %v, %v", step.limits, item, err)
				}
			}
			testkit.Must(t, p.Remove(ctx, org))
			if item, err := table.Get(ctx, org.String()); len(item) != 0 || err != nil {
				t.Errorf("removed: %v, %v", item, err)
			}
		})
	}
}
