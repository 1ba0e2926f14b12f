package dynamo_test

import (
	"fmt"
	"strings"
	"testing"

	"portico/shared/dynamo"
	"portico/shared/testkit"
)

// A partition reads and writes its own items only, and lists those whose key begins
// with a text, in order, also when they do not fit into one page of DynamoDB.
func TestPartition(t *testing.T) {
	ctx := t.Context()
	for name, endpoint := range testkit.DynamoDBEndpoints(t) {
		t.Run(name, func(t *testing.T) {
			client, table := testkit.SortedTable(t, endpoint)
			sorted := dynamo.NewSorted(client, table, "pk", "sk")
			one, two := sorted.Partition("one"), sorted.Partition("two")
			large := dynamo.Text(strings.Repeat("x", 300_000))
			for _, key := range []string{"a#3", "a#1", "b#1", "a#4", "a#2", "a#5"} {
				testkit.Must(t, one.Put(ctx, key, dynamo.Item{"large": large}, dynamo.Write{If: "attribute_not_exists(sk)"}))
			}
			testkit.Must(t, two.Update(ctx, "a#1", dynamo.Write{Update: "SET n = :n", Values: dynamo.Item{":n": dynamo.Number(1)}}))
			if err := one.Put(ctx, "a#1", dynamo.Item{}, dynamo.Write{If: "attribute_not_exists(sk)"}); !dynamo.IsRefused(err) {
				t.Errorf("a second one: %v", err)
			}
			if got := keys(t, one, "a#"); got != "[a#1 a#2 a#3 a#4 a#5]" {
				t.Errorf("a# of one: %s", got)
			}
			testkit.Must(t, one.Delete(ctx, "a#3", dynamo.Write{}))
			if got := keys(t, one, "a#") + keys(t, one, "b#"); got != "[a#1 a#2 a#4 a#5][b#1]" {
				t.Errorf("of one, after one has gone: %s", got)
			}
			if got := keys(t, two, "a#"); got != "[a#1]" {
				t.Errorf("a# of two: %s", got)
			}
			if i, err := two.Get(ctx, "b#1"); len(i) != 0 || err != nil {
				t.Errorf("an item of another partition: %v, %v", i, err)
			}
		})
	}
}

func keys(t *testing.T, p dynamo.Partition, begins string) string {
	t.Helper()
	items, err := p.List(t.Context(), begins)
	testkit.Must(t, err)
	var list []string
	for _, i := range items {
		list = append(list, dynamo.TextOf(i["sk"]))
	}
	return fmt.Sprint(list)
}
