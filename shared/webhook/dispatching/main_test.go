package dispatching_test

import (
	"flag"
	"os"
	"testing"
)

// The tests of this package mostly wait, for dispatchers to fall asleep and for
// receivers to time out, so more of them run at once than there are cores.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
