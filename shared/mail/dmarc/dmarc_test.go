package dmarc_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portico/shared/mail/dmarc"
)

//go:embed testdata/report.xml
var sample string

var want = dmarc.Report{
	Organization: "Receiver & Sons", ID: "2026-11-21.7", Domain: "mail.example.com", Policy: "quarantine",
	Begin: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 11, 21, 23, 59, 59, 0, time.UTC),
	Rows: []dmarc.Row{
		{Source: netip.MustParseAddr("192.0.2.1"), Count: 12, Disposition: "none", DKIM: true, HeaderFrom: "mail.example.com"},
		{Source: netip.MustParseAddr("2001:db8::7"), Count: 1, Disposition: "quarantine", HeaderFrom: "mail.example.com"},
	},
}

// attached returns a mail with an attachment after a text.
func attached(kind, content string) string {
	return "Subject: Report domain: mail.example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\nContent-Type: " + kind + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(content)) + "\r\n--b--\r\n"
}

func zipped(contents ...string) string {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for range contents {
		file, _ := w.Create("report.xml")
		_, _ = file.Write([]byte(contents[0]))
	}
	_ = w.Close()
	return out.String()
}

func gzipped(content string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(content))
	_ = w.Close()
	return out.String()
}

// A report is the same in each form in which it comes.
func TestReadMessage(t *testing.T) {
	for name, message := range map[string]string{
		"XML":               attached("text/xml", sample),
		"zip":               attached("application/zip", zipped(sample)),
		"gzip":              attached("application/gzip; name=r.xml.gz", gzipped(sample)),
		"gzip called zip":   attached("application/zip", gzipped(sample)),
		"of any type":       attached("application/octet-stream", gzipped(sample)),
		"the body, encoded": "Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(gzipped(sample))),
		"the body":          "Content-Type: text/xml\r\n\r\n" + sample,
		"a namespace":       attached("text/xml", strings.Replace(sample, "<feedback>", `<feedback xmlns="urn:x">`, 1)),
	} {
		got, err := dmarc.ReadMessage([]byte(message))
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	if !want.Rows[0].Aligned() || want.Rows[1].Aligned() {
		t.Error("a mail is aligned if DKIM or SPF is")
	}
}

// What is hostile or no report is refused with the reason.
func TestReadMessageRefuses(t *testing.T) {
	record := sample[strings.Index(sample, "<record>") : strings.Index(sample, "</record>")+len("</record>")]
	change := func(old, new string) string { return attached("text/xml", strings.Replace(sample, old, new, 1)) }
	for name, tt := range map[string]struct{ message, want string }{
		"empty":             {"", "not a mail"},
		"no attachment":     {"Content-Type: text/plain\r\n\r\nHello", "no DMARC aggregate report"},
		"other XML":         {attached("text/xml", "<html/>"), "no DMARC aggregate report"},
		"no boundary":       {"Content-Type: multipart/mixed\r\n\r\nx", "parts cannot be read"},
		"a long mail":       {strings.Repeat("x", dmarc.MaxMessage+1), "more than 2097152"},
		"many parts":        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: text/plain\r\n\r\nx\r\n", 20) + attached("text/xml", sample)[80:], "no DMARC aggregate report"},
		"a zip bomb":        {attached("application/zip", zipped("<feedback>"+strings.Repeat("<a>many bytes and few elements</a>", 1<<19))), "more than 10485760 bytes when"},
		"many elements":     {attached("application/zip", zipped("<feedback>"+strings.Repeat("<a></a>", 2<<20))), "more than 400000 elements"},
		"a gzip bomb":       {attached("application/gzip", gzipped("<feedback>"+strings.Repeat("<a>many bytes and few elements</a>", 1<<19))), "more than 10485760 bytes when"},
		"two files":         {attached("application/zip", zipped(sample, sample)), "has 2 files"},
		"a cut zip":         {attached("application/zip", zipped(sample)[:200]), "zip archive cannot be read"},
		"a cut gzip":        {attached("application/gzip", gzipped(sample)[:200]), "ends too early"},
		"a DTD":             {change("<feedback>", `<!DOCTYPE f [<!ENTITY a "b">]><feedback>`), "document type"},
		"an entity":         {change("Receiver", "&a;"), "invalid character entity"},
		"deep":              {attached("text/xml", "<feedback>"+strings.Repeat("<a>", 1000)), "more than 20 elements"},
		"many attributes":   {change("<version>", "<version "+strings.Repeat(`a="" `, 20_000)+">"), "more than 65536 bytes"},
		"a long text":       {change("Receiver", strings.Repeat("x", 501)), "more than 500 bytes"},
		"many records":      {attached("application/gzip", gzipped(strings.Replace(sample, record, strings.Repeat(record, dmarc.MaxRows), 1))), "more than 10000 records"},
		"cut XML":           {attached("text/xml", sample[:len(sample)-20]), "XML cannot be read: it ends too early"},
		"cut gzip":          {attached("application/gzip", gzipped(sample)[:5]), "gzip archive cannot be read: it ends too early"},
		"another charset":   {change("UTF-8", "UTF-7"), "XML cannot be read"},
		"hidden characters": {change("Receiver", "a\u202eb"), "cannot be shown"},
		"the id twice":      {change("<email>", "<report_id>x</report_id><email>"), "twice"},
		"the source twice":  {change("<count>", "<source_ip>192.0.2.2</source_ip><count>"), "twice"},
		"no organization":   {change("Receiver &amp; Sons", ""), "org_name is missing"},
		"no id":             {change("2026-11-21.7", " "), "report_id is missing"},
		"no domain":         {change("Mail.example.com", ""), "the domain of policy_published is missing"},
		"no policy":         {change("<p>quarantine", "<p>x"), "p must be"},
		"no time":           {change("1795219200", ""), "date_range"},
		"time backwards":    {change("1795305599", "1795219199"), "date_range"},
		"a long time":       {change("1795305599", "1799999999"), "date_range"},
		"no address":        {change("192.0.2.1", "192.0.2"), "record 1: source_ip"},
		"a zone":            {change("192.0.2.1", "fe80::1%eth0"), "record 1: source_ip"},
		"no mails":          {change("<count>12", "<count>0"), "record 1: count"},
		"too many mails":    {change("<count>12", "<count>1000000001"), "record 1: count"},
		"no disposition":    {change("<disposition>none", "<disposition>x"), "disposition must"},
		"no sender":         {change("<header_from>mail.example.com", "<header_from>"), "header_from is missing"},
	} {
		if r, err := dmarc.ReadMessage([]byte(tt.message)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %d rows, %v, want %q", name, len(r.Rows), err, tt.want)
		}
	}
}

// Whatever comes, it is refused or all of it is bounded and complete.
// FuzzReadAny reads what anybody may send: it ends soon, with a report that can be kept
// or an error.
func FuzzReadAny(f *testing.F) {
	bomb := "<feedback>" + strings.Repeat("<a></a>", 2<<20) // more elements than are read
	for _, seed := range []string{
		sample, zipped(sample), gzipped(sample), "<feedback/>", "<!DOCTYPE a>", "\xef\xbb\xbf " + sample,
		zipped(bomb), gzipped(bomb), gzipped(gzipped(sample)), zipped(zipped(sample)), zipped(sample, sample), zipped(),
		gzipped(sample)[:200], zipped(sample)[:200], gzipped(sample) + gzipped(sample), "<feedback>" + strings.Repeat("<a>", 1000),
		`<!DOCTYPE f [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><feedback>&c;</feedback>`, "<feedback><!--" + strings.Repeat("-", 70_000),
		attached("text/xml", sample), attached("application/zip", zipped(sample)), attached("application/gzip", gzipped(sample)),
		attached("application/gzip", gzipped(bomb)), attached("multipart/mixed; boundary=b", sample), "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		begun := time.Now()
		r, err := dmarc.ReadAny(content)
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
		if err != nil {
			return
		}
		if r.Organization == "" || r.ID == "" || r.Domain == "" || r.End.Before(r.Begin) || len(r.Rows) > dmarc.MaxRows {
			t.Errorf("%+v", r)
		}
		for _, row := range r.Rows {
			if !row.Source.IsValid() || row.Source.Zone() != "" || row.Count < 1 || row.HeaderFrom == "" || strings.Contains(row.HeaderFrom, "\x00") {
				t.Errorf("%+v", row)
			}
		}
	})
}
