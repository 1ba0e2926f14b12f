package export

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"

	"portico/shared/audit/record"
	"portico/shared/clock"
	"portico/shared/jsontext"
)

var columnsOfCSV = []string{
	"number", "id", "created_at", "action", "category", "outcome", "actor_type", "actor_id", "actor_name",
	"targets", "before", "after", "request_id", "source_ip", "user_agent",
}

func header() []byte { return line(columnsOfCSV) }

// row returns an entry as a line of CSV.
func row(l record.Line) []byte {
	e := l.Entry
	at, _ := clock.Stamp(e.CreatedAt).MarshalText() // never fails
	name, address := "", ""
	if e.Name != nil {
		name = *e.Name
	}
	if e.SourceIP != nil {
		address = e.SourceIP.String()
	}
	return line([]string{
		strconv.FormatInt(l.Number, 10), e.ID.String(), string(at), e.Action, l.Category, e.Outcome, e.ActorType, e.ActorID, name,
		string(e.Targets), string(e.Before), string(e.After), e.RequestID, address, e.UserAgent,
	})
}

// line returns cells as one line, whatever they contain. A spreadsheet does not take
// them for formulas.
func line(cells []string) []byte {
	safe := make([]string, len(cells))
	for i, cell := range cells {
		safe[i] = string(jsontext.Escape([]byte(cell)))
		if strings.IndexAny(cell, "=+-@\t\r") == 0 {
			safe[i] = "'" + safe[i]
		}
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(safe) // a buffer never fails
	w.Flush()
	return b.Bytes()
}
