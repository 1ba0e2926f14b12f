package dynamo_test

import (
	"fmt"
	"testing"

	"portico/shared/dynamo"
	"portico/shared/testkit"
)

// A table stores a write if its condition is true, and returns the item alone or
// with others.
func TestTable(t *testing.T) {
	ctx := t.Context()
	for name, endpoint := range testkit.DynamoDBEndpoints(t) {
		t.Run(name, func(t *testing.T) {
			client, id := testkit.Table(t, endpoint, "id")
			table := dynamo.NewTable(client, id, "id")
			if i, err := table.Get(ctx, "a"); len(i) != 0 || err != nil {
				t.Errorf("before: %v, %v", i, err)
			}
			isNew := dynamo.Write{If: "attribute_not_exists(id)"}
			if err := table.Put(ctx, "a", dynamo.Item{"n": dynamo.Number(41), "t": dynamo.Text("x")}, isNew); err != nil {
				t.Fatal(err)
			}
			if err := table.Put(ctx, "a", dynamo.Item{}, isNew); !dynamo.IsRefused(err) {
				t.Errorf("a second one: %v", err)
			}
			add := dynamo.Write{Update: "ADD n :one", If: "n < :most", Values: dynamo.Item{":one": dynamo.Number(1), ":most": dynamo.Number(43)}}
			i, err := table.UpdateAndGet(ctx, "a", add)
			if n, ok, wrong := dynamo.NumberOf(i["n"]); err != nil || n != 42 || !ok || wrong != nil || dynamo.TextOf(i["t"]) != "x" {
				t.Errorf("changed: %v, %v", i, err)
			}
			if err := table.Update(ctx, "a", add); err != nil {
				t.Error(err)
			}
			if err := table.Update(ctx, "a", add); !dynamo.IsRefused(err) {
				t.Errorf("beyond the condition: %v", err)
			}
			set := dynamo.Write{Update: "SET s = :s", Values: dynamo.Item{":s": dynamo.Texts([]string{"p", "q"})}}
			if err := table.Update(ctx, "b", set); err != nil {
				t.Error(err)
			}
			all, err := table.GetAll(ctx, []string{"a", "b", "c"}, "id, s", nil)
			if err != nil || len(all) != 2 {
				t.Errorf("all: %v, %v", all, err)
			}
			for _, i := range all {
				if got := fmt.Sprintf("%s %d %v", dynamo.TextOf(i["id"]), len(dynamo.TextsOf(i["s"])), i["n"]); got != "a 0 <nil>" && got != "b 2 <nil>" {
					t.Errorf("one of all: %s", got)
				}
			}
			if err := table.Delete(ctx, "a", dynamo.Write{If: "n = :n", Values: dynamo.Item{":n": dynamo.Number(1)}}); !dynamo.IsRefused(err) {
				t.Errorf("not to be deleted: %v", err)
			}
			if err := table.Delete(ctx, "a", dynamo.Write{}); err != nil {
				t.Error(err)
			}
			if i, err := table.Get(ctx, "a"); len(i) != 0 || err != nil {
				t.Errorf("after: %v, %v", i, err)
			}
		})
	}
}

// NumberOf reports false for an attribute that is not a number, and returns an
// error for a number that it cannot read.
func TestNumberOf(t *testing.T) {
	if _, ok, err := dynamo.NumberOf(nil); ok || err != nil {
		t.Errorf("nothing: %v, %v", ok, err)
	}
	if _, ok, err := dynamo.NumberOf(dynamo.Text("1")); ok || err != nil {
		t.Errorf("a text: %v, %v", ok, err)
	}
	if dynamo.Texts(nil) != nil {
		t.Error("an empty set")
	}
}
