package sso_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/sso"
)

func TestMain(m *testing.M) { apitest.Main(m, sso.Tag) }
