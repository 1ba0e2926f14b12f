// Command event-stream serves /v1/event-stream and /v1/event-consumers; see
// shared/api/stream.
package main

import (
	"portico/shared/api/stream"
	"portico/shared/lambdahost/serve"
)

func main() {
	serve.API(stream.ReadStream, stream.AcknowledgeItems,
		stream.CreateConsumer, stream.ListConsumers, stream.GetConsumer, stream.UpdateConsumer, stream.DeleteConsumer, stream.RotateConsumerSecret,
		stream.ListDeadLetters, stream.ResendDeadLetters)
}
