package oauth_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/oauth"
)

func TestMain(m *testing.M) { apitest.Main(m, oauth.Tag) }
