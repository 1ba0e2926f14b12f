package filter_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"portico/shared/webhook"
	"portico/shared/webhook/filter"
)

// An event meets the filters that are true for it, and no others. A filter that
// fails on the data, or is not a boolean, counts as false.
func TestFilters(t *testing.T) {
	for _, tt := range []struct {
		name, filter, data string
		meets              bool
	}{
		{"no filter", ``, `null`, true},
		{"both sides hold", `data.amount > 100 && data.customer.tier == "gold"`, `{"amount":101,"customer":{"tier":"gold"}}`, true},
		{"one side does not", `data.amount > 100 && data.customer.tier == "gold"`, `{"amount":100,"customer":{"tier":"gold"}}`, false},
		{"the type", `type == "invoice.paid"`, `1`, true},
		{"another type", `type startsWith "customer."`, `1`, false},
		{"data that is a number", `data == 1`, `1`, true},
		{"data that is null", `data == nil`, `null`, true},
		{"a fraction against a whole number", `data.total > 1`, `{"total":1.10}`, true},
		{"a whole number against a fraction", `data.total == 1`, `{"total":1.0}`, true},
		{"a large number", `data.id == 9007199254740993`, `{"id":9007199254740993}`, true},
		{"its neighbour", `data.id == 9007199254740993`, `{"id":9007199254740992}`, false},
		{"the largest int64", `data.id > 9223372036854775806`, `{"id":9223372036854775807}`, true},
		{"beyond int64", `data.id > 9223372036854775807`, `{"id":18446744073709551616}`, true},
		{"beyond float64", `data.id > 1`, `{"id":1e999}`, true},
		{"a missing member is nil", `data.tier == nil`, `{}`, true},
		{"a missing member compared in size", `data.amount > 1`, `{}`, false},
		{"… or negated", `!(data.amount > 1)`, `{}`, false},
		{"a member of a missing one", `data.customer.tier != "gold"`, `{}`, false},
		{"an optional member of a missing one", `data.customer?.tier != "gold"`, `{}`, true},
		{"a default", `(data.amount ?? 5) > 1`, `{}`, true},
		{"a default that is not needed", `(data.amount ?? 5) > 1`, `{"amount":1}`, false},
		{"wrong types", `data.amount > 1`, `{"amount":"2"}`, false},
		{"a flag", `data.live`, `{"live":true}`, true},
		{"a flag that is off", `data.live`, `{"live":false}`, false},
		{"a flag that is a number", `data.live`, `{"live":1}`, false},
		{"a flag that is a text", `data.live`, `{"live":"true"}`, false},
		{"a flag that is missing", `data.live`, `{}`, false},
		{"a flag that is missing, negated", `!data.live`, `{}`, false},
		{"in a list", `data.plan in ["pro", "team"]`, `{"plan":"team"}`, true},
		{"a number in a list of texts", `data.plan not in ["pro", "team"]`, `{"plan":1}`, true},
		{"in a list of numbers, as a fraction", `data.n in [1, 2]`, `{"n":2.0}`, true},
		{"a key", `"vat" in data`, `{"vat":null}`, true},
		{"a pattern", `data.email matches "@example\\.com$"`, `{"email":"a@example.com"}`, true},
		{"a pattern that does not match", `data.email matches "@example\\.com$"`, `{"email":"a@example.org"}`, false},
		{"case and spaces", `lower(trim(data.name)) == "acme"`, `{"name":" ACME\n"}`, true},
		{"the length of a list", `len(data.items) > 1`, `{"items":[1,2]}`, true},
		{"any of the items", `any(data.items, .price > 9)`, `{"items":[{"price":1},{"price":10}]}`, true},
		{"any of no items", `any(data.items, .price > 9)`, `{"items":[]}`, false},
		{"all of the items", `all(data.items, # in ["a", "b"])`, `{"items":["a","b","c"]}`, false},
		{"none of the items", `none(data.items, # == type)`, `{"items":["invoice.due"]}`, true},
		{"items that are no list", `none(data.items, # == 1)`, `{"items":{"a":2}}`, false},
		{"one loop after another", `any(data.a, # == 1) and any(data.b, # == 1)`, `{"a":[1],"b":[2,1]}`, true},
		{"a sum", `data.net + data.vat == 119`, `{"net":100,"vat":19}`, true},
		{"a sum of texts", `data.first + data.last == "ab"`, `{"first":"a","last":"b"}`, false},
		{"an index", `data.items[-1] == 2 && data.items[0:1] == [1]`, `{"items":[1,2]}`, true},
		{"an index out of range", `data.items[5] != 2`, `{"items":[1,2]}`, false},
		{"division by zero", `data.a % data.b != 1`, `{"a":1,"b":0}`, false},
		{"a choice", `data.live ? data.n == 1 : data.n == 2`, `{"live":false,"n":2}`, true},
		{"a list for each of 20,000 items", `all(data, # in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])`, `[` + strings.Repeat(`0,`, 19_999) + `9]`, true},
		{"the last of 20,001 items", `any(data, .n > 1)`, `[` + strings.Repeat(`{"n":0},`, 20_000) + `{"n":2}]`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := filter.Check(tt.filter); err != nil {
				t.Errorf("%s is refused: %v", tt.filter, err)
			}
			e := filter.Event{Type: "invoice.paid", Data: json.RawMessage(tt.data)}
			if got := e.Meets(tt.filter); got != tt.meets {
				t.Errorf("%s for %.100s: %v", tt.filter, tt.data, got)
			}
		})
	}
}

// Data are decoded for the first filter, once; without a filter not at all.
func TestDataIsDecodedOnce(t *testing.T) {
	e := filter.Event{Type: "a", Data: json.RawMessage("1")}
	if n := testing.AllocsPerRun(100, func() { e.Meets("") }); n != 0 {
		t.Errorf("no filter costs %g allocations", n)
	}
	e.Data = json.RawMessage("2")
	first := e.Meets("data == 2")
	e.Data = json.RawMessage("3")
	if !first || !e.Meets("data == 2") {
		t.Error("the data were decoded before the first filter, or again after it")
	}
}

// A process keeps a bounded number of compiled filters, also with many
// goroutines. Those of an organization with the most endpoints fit.
func TestKeptFilters(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := range filter.MaxPrograms + 10 {
				e := filter.Event{Data: json.RawMessage(strconv.Itoa(n))}
				if !e.Meets(fmt.Sprintf("data == %d", n)) || e.Meets(fmt.Sprintf("data == %d", n/2+1)) != (n == n/2+1) {
					t.Errorf("wrong at %d", n)
				}
			}
		})
	}
	wg.Wait()
	if n := filter.Kept(); n != filter.MaxPrograms {
		t.Errorf("%d filters are kept, want %d", n, filter.MaxPrograms)
	}
	if filter.MaxPrograms < 2*webhook.MaxEndpoints {
		t.Errorf("%d filters are kept, an organization may have %d endpoints", filter.MaxPrograms, webhook.MaxEndpoints)
	}
}
