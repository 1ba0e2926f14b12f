package stream_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/stream"
)

func TestMain(m *testing.M) { apitest.Main(m, stream.Tag) }
