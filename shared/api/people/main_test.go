package people_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/people"
)

func TestMain(m *testing.M) { apitest.Main(m, people.Tag) }
