package events_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/events"
)

func TestMain(m *testing.M) { apitest.Main(m, events.Tag) }
