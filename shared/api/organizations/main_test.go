package organizations_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/organizations"
)

func TestMain(m *testing.M) { apitest.Main(m, organizations.Tag) }
