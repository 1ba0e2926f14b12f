package command

import (
	"github.com/spf13/cobra"
)

const deliveriesPath = "/v1/deliveries"

func (a *app) deliveries() *cobra.Command {
	return group("deliveries", "Deliveries: what became of events at endpoints",
		a.lists("List deliveries, those of the newest events first", "portico deliveries list --endpoint "+sampleWE+" --status failed", deliveriesPath, "deliveries",
			[]column{
				{"ID", "id"}, {"STATUS", "status"}, {"TRIES", "attempt_count"}, {"EVENT", "event_id"}, {"ENDPOINT", "endpoint_id"},
				{"NEXT TRY", "next_retry_at"}, {"LAST ERROR", "last_error"},
			},
			filter{flag: "endpoint", parameter: "endpoint_id", usage: "only to this webhook endpoint"},
			filter{flag: "event", parameter: "event_id", usage: "only of this event"},
			filter{flag: "status", parameter: "status", usage: "only pending, delivered, failed or held ones", values: []string{"pending", "delivered", "failed", "held"}},
		),
		a.gets("Show a delivery with its attempts", "portico deliveries get dlv_01jdf3z9k2e4nv6xq8r0s1t2v3", deliveriesPath+"/%s", "the delivery's id, dlv_…"),
	)
}
