package invitations_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/invitations"
)

func TestMain(m *testing.M) { apitest.Main(m, invitations.Tag) }
