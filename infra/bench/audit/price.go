package audit

import (
	"context"

	"portico/infra/bench/budget"
	"portico/infra/bench/cost"
)

// List prices in us-east-1 in dollars, from copies of AWS's pages that were read on
// 2026-11-22.
const (
	// Aurora Standard: https://aws.amazon.com/rds/aurora/pricing/
	perGBMonth = 0.10
	// S3 Standard: https://aws.amazon.com/s3/pricing/
	perPut       = 0.005 / 1000
	perS3GBMonth = 0.023
	// DynamoDB on demand, per read of up to 4 KB that sees all writes
	perMillionReads = 0.125
)

const (
	// archivedAtOnce is how many entries an object of the archive has at most, and
	// archivedSize how many bytes an entry takes in it: docs/audit.md.
	archivedAtOnce = 5000
	archivedSize   = 135
)

// addPrice says what a million entries cost, beside the instances of Aurora: written,
// chained and archived in full objects.
func (b *bed) addPrice(context.Context) error {
	bill := cost.Price(b.one)
	const objects = 1e6 / archivedAtOnce
	archive := objects * (perPut + (cost.PerMillionWrites+perMillionReads)/1e6)
	b.Add("a million entries, in dollars", "", budget.None, "Aurora I/O %.2f – %.2f, archive %.4f; storage a month: Aurora %.3f, archive %.4f",
		bill.IOLeast, bill.IOMost, archive, b.size/1e3*perGBMonth, archivedSize/1e3*perS3GBMonth)
	return nil
}
