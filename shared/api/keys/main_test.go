package keys_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/keys"
)

func TestMain(m *testing.M) { apitest.Main(m, keys.Tag) }
