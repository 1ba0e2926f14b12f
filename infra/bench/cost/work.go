// Package cost measures what work costs: CPU time by kind of process, what
// Postgres wrote and did, and what AWS bills for it.
package cost

// Work is what some work used, by kind.
type Work [kinds]float64

// The kinds of Work. The first ones are read from the WAL and are exact; blocks
// and transactions are statistics, which include those of an awake dispatcher
// without work.
const (
	Bytes        = iota // of WAL without page images
	Images              // bytes of page images in the WAL: after a checkpoint Postgres writes a changed page as a whole; Aurora does not
	Records             // of WAL
	Entries             // inserted into indexes
	Updates             // of rows, each of which writes a new version
	Commits             // of transactions that wrote
	Aborts              // of transactions that wrote
	Hit                 // blocks found in Postgres's cache
	Read                // blocks not found there
	Transactions        // also those that only read
	RowEntries          // index entries according to row counts: see countersSQL
	Functions           // CPU-s of the functions
	Postgres            // CPU-s
	DynamoDB            // CPU-s
	Gateway             // CPU-s
	Calls               // of the API
	Invocations         // of functions
	kinds
)

// Plus adds another piece of work, a number of times.
func (w Work) Plus(o Work, times float64) Work {
	for i := range w {
		w[i] += times * o[i]
	}
	return w
}

// Per is the work for one of n.
func (w Work) Per(n int) Work { return Work{}.Plus(w, 1/float64(n)) }
