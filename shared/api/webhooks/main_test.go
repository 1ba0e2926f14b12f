package webhooks_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/webhooks"
)

func TestMain(m *testing.M) { apitest.Main(m, webhooks.Tag) }
