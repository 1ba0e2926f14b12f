package jobs_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/jobs"
)

func TestMain(m *testing.M) { apitest.Main(m, jobs.Tag) }
