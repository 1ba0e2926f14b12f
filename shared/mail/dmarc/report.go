// Package dmarc reads the aggregate reports of mail receivers (RFC 7489, appendix C):
// from which addresses they got mail in the name of a domain, and whether it was
// authenticated. Anybody can send one: it proves nothing, and all of it is bounded.
package dmarc

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
)

// What a report may have.
const (
	MaxRows  = 10_000
	maxDepth = 20 // elements within each other
	// maxElements bounds the time that a report takes: a record has less than 40.
	maxElements = 40 * MaxRows
	maxToken    = 64 << 10 // bytes of one tag, text or comment
	maxText     = 500      // bytes of a value that is kept
)

// Report is what a receiver says about the mail of some time.
type Report struct {
	Organization string // that reports
	ID           string // unique for the organization
	Domain       string // whose policy it is about
	Policy       string // none, quarantine or reject
	Begin, End   time.Time
	Rows         []Row
}

// Row is what a receiver says about the mails from one address.
type Row struct {
	Source      netip.Addr
	Count       int    // mails
	Disposition string // what was done with them: none, quarantine or reject
	DKIM, SPF   bool   // whether it passed, and for the domain of the sender that people see
	HeaderFrom  string // that domain
}

// Aligned reports whether the mails satisfy DMARC.
func (r Row) Aligned() bool { return r.DKIM || r.SPF }

// tokens bounds the bytes between two tokens. The XML decoder reads it byte by byte
// and no further than it needs.
type tokens struct {
	*bufio.Reader
	total, token int
}

var (
	errLong  = fmt.Errorf("it has more than %d bytes when it is unpacked", maxXML)
	errToken = fmt.Errorf("it has a tag or text of more than %d bytes", maxToken)
)

// ReadByte is io.ByteReader.
func (t *tokens) ReadByte() (byte, error) {
	b, err := t.Reader.ReadByte()
	if err != nil {
		return 0, err
	}
	t.total++
	t.token++
	switch {
	case t.total > maxXML:
		return 0, errLong
	case t.token > maxToken:
		return 0, errToken
	}
	return b, nil
}

// reading is a report that is being read.
type reading struct {
	Report
	path  []string // the names of the open elements
	count int      // elements
	text  strings.Builder
	row   row
	begin string
	end   string
}

// readXML reads a report. A DTD is refused, so there are no entities but those of XML.
func readXML(content io.Reader) (Report, error) {
	in := &tokens{Reader: bufio.NewReader(content)}
	decoder, r := xml.NewDecoder(in), &reading{}
	for {
		in.token = 0
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return r.finish()
		}
		if err != nil {
			return Report{}, unreadable("XML", err)
		}
		if err := r.take(token); err != nil {
			return Report{}, err
		}
	}
}

func (r *reading) take(token xml.Token) error {
	switch token := token.(type) {
	case xml.Directive:
		return errors.New("it has a document type; a report has none")
	case xml.StartElement:
		if len(r.path) == maxDepth {
			return fmt.Errorf("it has more than %d elements within each other", maxDepth)
		}
		if len(r.path) == 0 && token.Name.Local != "feedback" {
			return ErrNoReport
		}
		if r.count++; r.count > maxElements {
			return fmt.Errorf("it has more than %d elements", maxElements)
		}
		r.path = append(r.path, token.Name.Local)
		r.text.Reset()
	case xml.CharData:
		if r.text.Len() <= maxText {
			r.text.Write(token[:min(len(token), maxText+1)])
		}
	case xml.EndElement:
		defer func() { r.path = r.path[:len(r.path)-1]; r.text.Reset() }()
		return r.element(strings.Join(r.path, "/"))
	}
	return nil
}

// field returns where the value of an element outside of records belongs, or nil.
func (r *reading) field(path string) *string {
	switch path {
	case "feedback/report_metadata/org_name":
		return &r.Organization
	case "feedback/report_metadata/report_id":
		return &r.ID
	case "feedback/report_metadata/date_range/begin":
		return &r.begin
	case "feedback/report_metadata/date_range/end":
		return &r.end
	case "feedback/policy_published/domain":
		return &r.Domain
	case "feedback/policy_published/p":
		return &r.Policy
	}
	return nil
}

// element takes the value of an element that ends.
func (r *reading) element(path string) error {
	if path == "feedback/record" {
		if len(r.Rows) == MaxRows {
			return fmt.Errorf("it has more than %d records", MaxRows)
		}
		row, err := r.row.read()
		if err != nil {
			return fmt.Errorf("record %d: %w", len(r.Rows)+1, err)
		}
		r.Rows, r.row = append(r.Rows, row), nil
		return nil
	}
	field, inRow := strings.CutPrefix(path, "feedback/record/")
	to := r.field(path)
	if to == nil && (!inRow || !rowFields[field]) {
		return nil
	}
	value, err := line(r.text.String())
	switch {
	case err != nil:
		return fmt.Errorf("%s %w", path, err)
	case to == nil:
		return r.row.set(field, value)
	case *to != "":
		return fmt.Errorf("it has %s twice", path)
	}
	*to = value
	return nil
}
