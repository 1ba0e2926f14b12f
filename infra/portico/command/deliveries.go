package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

const (
	deliveriesPath = "/v1/deliveries"
	deliveryID     = "the delivery's id, dlv_…"
	sampleDLV      = "dlv_01jdf3z9k2e4nv6xq8r0s1t2v3"
)

// answers are the kinds of a receiver's answer; none: there was no try.
var answers = []string{"2xx", "3xx", "4xx", "5xx", "timeout", "dns", "connection", "tls", "protocol", "none"}

func (a *app) deliveries() *cobra.Command {
	return group("deliveries", "Deliveries: what became of events at endpoints",
		a.lists("List deliveries, those of the newest events first", "portico deliveries list --endpoint "+sampleWE+" --status failed", deliveriesPath, "deliveries",
			[]column{
				{"ID", "id"}, {"STATUS", "status"}, {"TRIES", "attempt_count"}, {"ANSWER", "last_answer"}, {"EVENT", "event_id"}, {"ENDPOINT", "endpoint_id"},
				{"NEXT TRY", "next_retry_at"}, {"LAST ERROR", "last_error"},
			},
			append([]filter{
				{flag: "endpoint", parameter: "endpoint_id", usage: "only to this webhook endpoint"},
				{flag: "event", parameter: "event_id", usage: "only of this event"},
				{flag: "type", parameter: "type", usage: "only of events with this type, or a prefix such as invoice.*"},
				{flag: "status", parameter: "status", usage: "only pending, delivered, failed or held ones", values: []string{"pending", "delivered", "failed", "held"}},
				{flag: "answer", parameter: "answer", usage: "only with this kind of answer to the last try, such as 5xx, timeout or none", values: answers},
			}, between("of events published")...)...,
		),
		a.getDelivery(),
		a.redeliver(),
	)
}

func (a *app) getDelivery() *cobra.Command {
	var number int
	cmd := a.command("get ID", "Show a delivery with its attempts", "portico deliveries get "+sampleDLV+" --attempt 1", []string{deliveryID},
		func(cmd *cobra.Command, args []string) error {
			reply, err := a.call(cmd, http.MethodGet, deliveriesPath+"/"+url.PathEscape(args[0]), nil)
			switch {
			case err != nil:
				return err
			case cmd.Flags().Changed("attempt"):
				return a.showAttempt(reply, number)
			}
			return a.show(reply)
		})
	cmd.Flags().IntVar(&number, "attempt", 0, "show all of this attempt: its `number`")
	return cmd
}

// showAttempt shows one attempt of a delivery.
func (a *app) showAttempt(delivery []byte, number int) error {
	var attempts []json.RawMessage
	if err := json.Unmarshal(at(delivery, "attempts"), &attempts); err != nil {
		return fmt.Errorf("the API's reply has no attempts: %w", err)
	}
	for _, attempt := range attempts {
		if cell(at(attempt, "number")) == strconv.Itoa(number) {
			return a.show(attempt)
		}
	}
	return fmt.Errorf("the delivery has no attempt %d", number)
}

func (a *app) redeliver() *cobra.Command {
	return a.mutation(a.command("redeliver ID", "Send a delivery again, with all its tries", "portico deliveries redeliver "+sampleDLV, []string{deliveryID},
		func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, http.MethodPost, deliveriesPath+"/"+url.PathEscape(args[0])+"/redeliver", nil)
		}))
}
