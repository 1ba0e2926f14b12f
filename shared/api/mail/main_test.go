package mail_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/mail"
)

func TestMain(m *testing.M) { apitest.Main(m, mail.Tag) }
