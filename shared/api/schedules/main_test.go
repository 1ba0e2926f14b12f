package schedules_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/schedules"
)

func TestMain(m *testing.M) { apitest.Main(m, schedules.Tag) }
