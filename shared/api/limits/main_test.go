package limits_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/limits"
)

func TestMain(m *testing.M) { apitest.Main(m, limits.Tag) }
