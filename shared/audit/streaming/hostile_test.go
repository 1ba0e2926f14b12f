package streaming_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"portico/shared/audit"
	"portico/shared/audit/stream"
	"portico/shared/job/jobtest"
	"portico/shared/testkit"
)

// An entry whose texts try to add lines, HTML or marks is, in the format of each type, one
// line of visible characters without HTML, and no line is added.
func TestHostileEntryInEachFormat(t *testing.T) {
	t.Parallel()
	const hostile = "Eve\r\n{\"event\":1}\x1b[31m\u202eevil\u2066\u2028\u2029\u0085\u009b<script>"
	d := newDesk(t)
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/logs") {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		_, _ = w.Write([]byte(`{"text":"Success","code":0}`))
	})
	d.vendors.Datadog = rec.URL
	d.aws = testkit.AWS(cloud(t, func() string { return "org_x" }))
	d.runner = d.newRunner()
	client, name := testkit.S3(t, testkit.S3Endpoint(t))
	d.https(rec.URL)
	d.splunk(rec.URL)
	d.create(stream.New{Name: "Datadog", Type: stream.Datadog, Settings: stream.Settings{Site: "datadoghq.eu"}, Secret: "key-canary"})
	d.create(stream.New{Name: "S3", Type: stream.S3, Settings: stream.Settings{Bucket: name, Region: "us-east-1", RoleARN: "arn:aws:iam::123456789012:role/r", ExternalID: "org_x"}})
	d.add(audit.Entry{
		Action: "role.update", Actor: audit.Actor{Type: audit.APIKey, ID: hostile, Name: hostile}, Targets: []audit.Target{{Type: "role", ID: hostile}},
		Before: audit.Fields{"name": hostile}, After: audit.Fields{hostile: "x"}, Origin: audit.Origin{RequestID: hostile, UserAgent: hostile},
	})
	d.sequence()
	d.Advance(t, 2*time.Minute)
	jobtest.Drain(t, d.runner)

	var texts [][]byte
	for _, r := range rec.All() {
		text := r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			text = unzip(t, text)
		}
		texts = append(texts, text)
	}
	list, err := client.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: &name})
	testkit.Must(t, err)
	for _, o := range list.Contents {
		object, err := client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &name, Key: o.Key})
		testkit.Must(t, err)
		text, err := io.ReadAll(object.Body)
		testkit.Must(t, err)
		texts = append(texts, unzip(t, text))
	}
	want(t, "requests and objects", len(texts), 4)
	for _, text := range texts {
		line := strings.TrimSuffix(string(text), "\n")
		if !strings.Contains(line, `Eve\r\n`) || strings.ContainsFunc(line, isUnprintable) || strings.ContainsAny(line, "<>") {
			t.Errorf("this is not one line of visible characters: %q", text)
		}
	}
}

func unzip(t *testing.T, text []byte) []byte {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(text))
	testkit.Must(t, err)
	text, err = io.ReadAll(zip)
	testkit.Must(t, err)
	return text
}

func isUnprintable(r rune) bool { return !unicode.IsPrint(r) }
