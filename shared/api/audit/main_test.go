package audit_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/audit"
)

func TestMain(m *testing.M) { apitest.Main(m, audit.Tag) }
