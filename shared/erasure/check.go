package erasure

import (
	"encoding/json"
	"fmt"
	"strings"

	"portico/shared/fault"
	"portico/shared/mail/transport"
	"portico/shared/webhook/filter"
)

// Check refuses a person who is not described, or in a way that fits nearly everything.
func (p Person) Check() error {
	if len(p.criteria()) == 0 {
		return fault.InvalidField("filter", "must be given, or ordering_keys, or recipient: they say whose data are removed")
	}
	var faults []error
	if p.Filter != nil {
		faults = append(faults, checkFilter(*p.Filter))
	}
	if p.OrderingKeys != nil && len(p.OrderingKeys) == 0 {
		faults = append(faults, fault.InvalidField("ordering_keys", "must not be empty"))
	}
	for i, key := range p.OrderingKeys {
		if key == "" || strings.ContainsRune(key, 0) {
			faults = append(faults, fault.InvalidField(fmt.Sprintf("ordering_keys[%d]", i), "must not be empty or contain the character U+0000"))
		}
	}
	if p.Recipient != nil {
		if err := transport.CheckAddress(*p.Recipient); err != nil {
			faults = append(faults, fault.InvalidField("recipient", err.Error()))
		}
	}
	return fault.Join(faults...)
}

// checkFilter also refuses a filter that needs nothing of a person to be true, such as
// `true`, or `data.customer.id != "cus_42"`, in which the operator is a mistake.
func checkFilter(text string) error {
	if text == "" {
		return fault.InvalidField("filter", "must not be empty: it would select all events")
	}
	if err := filter.Check(text); err != nil {
		return fault.InvalidField("filter", err.Error())
	}
	for _, data := range []string{`null`, `{}`} {
		anybody := filter.Event{Type: "any", Data: json.RawMessage(data)}
		if anybody.Meets(text) {
			return fault.InvalidField("filter", "is true for events without data: it must say whose events are removed, such as data.customer.id == \"cus_42\"")
		}
	}
	return nil
}
