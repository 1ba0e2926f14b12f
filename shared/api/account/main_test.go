package account_test

import (
	"testing"

	"portico/shared/api/account"
	"portico/shared/api/apitest"
)

func TestMain(m *testing.M) { apitest.Main(m, account.Tag) }
