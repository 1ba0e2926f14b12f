// Command event-stream serves /v1/event-stream and /v1/event-consumers; see
// shared/api/events.
package main

import (
	"portico/shared/api/events"
	"portico/shared/lambdahost"
)

func main() {
	lambdahost.API(events.ReadStream, events.AcknowledgeItems,
		events.CreateConsumer, events.ListConsumers, events.GetConsumer, events.UpdateConsumer, events.DeleteConsumer, events.RotateConsumerSecret,
		events.ListDeadLetters, events.ResendDeadLetters)
}
