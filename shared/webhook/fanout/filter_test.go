package fanout_test

import (
	"encoding/json"
	"testing"

	"portico/shared/event"
	"portico/shared/webhook"
)

// A filter is run on the type and data of each event of a batch, as the endpoint
// was last changed. One that fails on the data counts as false, and the publish
// succeeds. No dispatcher is notified of an endpoint that gets nothing.
func TestFilterChanges(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	endpoint := p.endpoint("https://example.com/", "*")
	for i, tt := range []struct {
		filter *string
		want   int
	}{
		{nil, 4}, {new(`data == 1`), 2}, {nil, 2}, {new(`type == "b"`), 2}, {new(`data == 2 && type == "b"`), 1}, {new(`data == 3`), 0}, {new(`data.a > 1`), 0}, {new(""), 4},
	} {
		before := p.deliveries()
		shown := p.setOptions(endpoint, webhook.OptionsChange{Filter: tt.filter}).Filter
		if tt.filter != nil && shown != *tt.filter {
			t.Errorf("step %d: the filter is %q", i, shown)
		}
		_, told := p.publish(
			event.Draft{Type: "a", Data: json.RawMessage("1")}, event.Draft{Type: "b", Data: json.RawMessage("1")},
			event.Draft{Type: "a", Data: json.RawMessage("2")}, event.Draft{Type: "b", Data: json.RawMessage("2")},
		)
		if got := p.deliveries() - before; got != tt.want || (len(told) > 0) != (tt.want > 0) {
			t.Errorf("step %d: %d deliveries, %d endpoints told of; want %d", i, got, len(told), tt.want)
		}
	}
}
