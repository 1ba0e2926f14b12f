package filter_test

import (
	"encoding/json"
	"testing"
	"time"

	"portico/shared/webhook/filter"
)

// FuzzMeets: a filter that Check accepts is decided alike each time and soon, whatever
// the data are; one that it refuses is met by nothing.
func FuzzMeets(f *testing.F) {
	for _, seed := range []string{
		`data.total > 100 && data.customer?.tier == "gold"`, `any(data.items, .price > 9)`, `all(data, # in ["a", "b"])`, `data.email matches "@example\\.com$"`, `lower(trim(data.name)) == "acme"`,
		`(data.a ?? 5) > 1 ? data.n == 1 : data.n == 2`, `len(data) > 1`, `data.items[-1] == 2 && data.items[0:1] == [1]`, `"vat" in data`, `none(data, any(#, true))`, `1..1000000 == data`, `data matches "(a+)+$"`, `{"a":1}.a == data.b`,
	} {
		f.Add(seed, `{"total":101,"items":[{"price":1},null],"email":"a@example.com","name":" ACME","n":1e999}`)
	}
	f.Fuzz(func(t *testing.T, expression, data string) {
		if !json.Valid([]byte(data)) || len(data) > 4<<10 {
			return
		}
		begun := time.Now()
		err := filter.Check(expression)
		one := filter.Event{Type: "invoice.paid", Data: json.RawMessage(data)}
		first := one.Meets(expression)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
		if err != nil && first {
			t.Errorf("%q is refused (%v) and met", expression, err)
		}
		fresh := filter.Event{Type: "invoice.paid", Data: json.RawMessage(data)}
		if again := one.Meets(expression); again != first || fresh.Meets(expression) != first {
			t.Errorf("%q for %s is %v, and then %v", expression, data, first, again)
		}
	})
}
