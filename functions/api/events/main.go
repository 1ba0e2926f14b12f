// Command events serves the reading of events and the event catalog; see
// shared/api/events.
package main

import (
	"portico/shared/api/events"
	"portico/shared/lambdahost/serve"
)

func main() {
	serve.API(
		events.List, events.Get, events.Expunge,
		events.CreateErasure, events.ListErasures, events.GetErasure, events.CancelErasure,
		events.CreateType, events.ListTypes, events.GetType, events.UpdateType, events.DeleteType,
		events.CreateTypeVersion, events.ListTypeVersions, events.Validate, events.DescribeTypes, events.ImportTypes,
	)
}
