package cost

// List prices in us-east-1 in dollars, without free tiers and discounts, from
// copies of AWS's pages that were read on 2026-11-21.
const (
	// Aurora Standard: https://aws.amazon.com/rds/aurora/pricing/
	perMillionIO = 0.20
	// https://aws.amazon.com/lambda/pricing/, Arm, the first tier
	perMillionInvocations = 0.20
	perGBSecond           = 0.0000133334
	// HTTP API, per 512 KiB: https://aws.amazon.com/api-gateway/pricing/
	perMillionCalls = 1.00
	// PerMillionWrites is for DynamoDB on demand, per write unit. A write of an item of
	// up to 1 KB is one, also if its condition is false:
	// https://aws.amazon.com/dynamodb/pricing/on-demand/
	PerMillionWrites = 0.625
)

const (
	// Aurora bills the WAL that it stores in units of 4 KiB. Records that are
	// written at the same time share a unit:
	// https://aws.amazon.com/blogs/database/planning-i-o-in-amazon-aurora/ and
	// https://aws.amazon.com/rds/aurora/faqs/. A page that is not in the cache is
	// one read.
	ioUnit = 4096
	// A function has one processor per 1,769 MB:
	// https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
	gbPerProcessor = 1769.0 / 1024
)

// Bill is the price of a million pieces of work in dollars.
type Bill struct {
	IOLeast, IOMost float64 // of Aurora
	Gateway         float64 // API Gateway
	Invocations     float64 // of functions
	Time            float64 // of functions
}

// Price returns what a million of w cost. IOLeast is for commits that share all
// their units of WAL, IOMost for commits none of which happens at the time of
// another one. Time is the CPU time at this machine's speed: a function costs
// more while it waits, for example for a receiver.
func Price(w Work) Bill {
	io := w[Bytes]/ioUnit + w[Read]
	return Bill{
		IOLeast:     io * perMillionIO,
		IOMost:      (io + w[Commits]) * perMillionIO,
		Gateway:     w[Calls] * perMillionCalls,
		Invocations: w[Invocations] * perMillionInvocations,
		Time:        1e6 * w[Functions] * gbPerProcessor * perGBSecond,
	}
}

// Sum returns the least and the highest price.
func (b Bill) Sum() (least, most float64) {
	rest := b.Gateway + b.Invocations + b.Time
	return b.IOLeast + rest, b.IOMost + rest
}
