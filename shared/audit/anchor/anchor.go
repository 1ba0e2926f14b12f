// Package anchor keeps the end of the archive of each audit log in DynamoDB. Who forges
// a chain in Postgres cannot change it there: an anchor only moves forward, and only from
// the end that it has.
package anchor

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/audit/chain"
	"portico/shared/dynamo"
	"portico/shared/id"
)

// Log is one chain: that of an organization or, if that is zero, of the platform, which
// has one in each database.
type Log struct {
	Org      id.Org
	Database string // of the platform's
}

// String names the log in the archive and in DynamoDB.
func (l Log) String() string {
	if l.Org.IsZero() {
		return "platform-" + l.Database
	}
	return l.Org.String()
}

// Table has an anchor for each log.
type Table struct{ table dynamo.Table }

// NewTable returns the anchors in a table whose key is id.
func NewTable(client *dynamodb.Client, name string) Table {
	return Table{dynamo.NewTable(client, name, "id")}
}

// Read returns the end of a log's archive; number 0: nothing is archived.
func (a Table) Read(ctx context.Context, log Log) (chain.Head, error) {
	item, err := a.table.Get(ctx, log.String())
	if err != nil {
		return chain.Head{}, fmt.Errorf("anchor.Read: %w", err)
	}
	number, _, err := dynamo.NumberOf(item["number"])
	if err != nil {
		return chain.Head{}, fmt.Errorf("anchor.Read: %w", err)
	}
	at := chain.Head{Number: number}
	if _, err := hex.Decode(at.Hash[:], []byte(dynamo.TextOf(item["hash"]))); err != nil {
		return chain.Head{}, fmt.Errorf("anchor.Read: %w", err)
	}
	return at, nil
}

// Advance moves an anchor, and returns where it is then: somewhere else if another
// archiver has moved it.
func (a Table) Advance(ctx context.Context, log Log, from, to chain.Head) (chain.Head, error) {
	w := dynamo.Write{
		Update: "SET #number = :number, #hash = :hash", If: "attribute_not_exists(#number)",
		Names:  map[string]string{"#number": "number", "#hash": "hash"},
		Values: dynamo.Item{":number": dynamo.Number(to.Number), ":hash": dynamo.Text(hex.EncodeToString(to.Hash[:]))},
	}
	if from.Number > 0 {
		w.If = "#number = :from AND #hash = :before"
		w.Values[":from"], w.Values[":before"] = dynamo.Number(from.Number), dynamo.Text(hex.EncodeToString(from.Hash[:]))
	}
	err := a.table.Update(ctx, log.String(), w)
	if dynamo.IsRefused(err) {
		return a.Read(ctx, log)
	}
	if err != nil {
		return chain.Head{}, fmt.Errorf("anchor.Advance: %w", err)
	}
	return to, nil
}
