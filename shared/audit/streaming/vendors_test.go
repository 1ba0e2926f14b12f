package streaming_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"portico/shared/audit"
	"portico/shared/audit/stream"
	"portico/shared/job/jobtest"
	"portico/shared/testkit"
)

// collector is an HTTP Event Collector that refuses an event which says poison, as
// Splunk documents it: what comes before is accepted.
type collector struct {
	siem
	answer func(w http.ResponseWriter) bool // nil, or false: as usual
	header http.Header
	path   string
	events []map[string]any
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Receiver = testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		c.header, c.path = r.Header, r.URL.Path
		if c.answer != nil && c.answer(w) {
			return
		}
		decoder, n := json.NewDecoder(r.Body), 0
		for ; decoder.More(); n++ {
			var event struct {
				Event entry
				Index string
			}
			var whole json.RawMessage
			testkit.Must(t, decoder.Decode(&whole))
			testkit.Must(t, json.Unmarshal(whole, &event))
			if strings.Contains(string(event.Event.Before), "poison") {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = fmt.Fprintf(w, `{"text":"Invalid data format token-canary","code":6,"invalid-event-number":%d}`, n)
				return
			}
			var all map[string]any
			testkit.Must(t, json.Unmarshal(whole, &all))
			c.events, c.accepted = append(c.events, all), append(c.accepted, []entry{event.Event})
		}
		_, _ = w.Write([]byte(`{"text":"Success","code":0}`))
	})
	return c
}

func (d *desk) splunk(url string) stream.Stream {
	return d.create(stream.New{Name: "Splunk", Type: stream.SplunkHEC, Settings: stream.Settings{URL: url, Index: "security"}, Secret: "token-canary"})
}

// Splunk gets each entry as an event. What it accepts of a batch is not sent again, and a
// refused entry does not hold up the others.
func TestSplunk(t *testing.T) {
	t.Parallel()
	d, other := newDesk(t), newCollector(t)
	s := d.splunk(other.URL)
	d.many(3)
	d.add(audit.Entry{Action: "role.update", Actor: audit.Actor{Type: audit.System, ID: "x"}, Before: audit.Fields{"name": "poison"}})
	d.many(3)
	d.work()
	want(t, "entries", other.ids(), d.ids())
	event := other.events[0]
	if event["sourcetype"] != "portico:audit" || event["index"] != "security" || event["source"] != s.ID.String() || event["time"].(float64) < 1e9 {
		t.Errorf("an event is %v", event)
	}
	if other.path != "/services/collector/event" || other.header.Get("Authorization") != "Splunk token-canary" {
		t.Errorf("the request is %s %v", other.path, other.header)
	}
	if now := d.get(s); now.Reached != 7 || now.Failures != 0 {
		t.Errorf("the stream is %+v", now.Progress)
	}
	d.hidesCanary()
}

// hidesCanary checks that no token is in the database in clear, or in the log.
func (d *desk) hidesCanary() {
	d.t.Helper()
	for _, table := range []string{"audit_stream", "audit_entry", "job", "job_log"} {
		if n := testkit.Value[int](d.t, d.Database, `SELECT count(*) FROM `+table+` r WHERE position('canary' IN r::text) > 0`); n != 0 {
			d.t.Errorf("a secret is in %d rows of %s", n, table)
		}
	}
	if strings.Contains(d.log.String(), "canary") {
		d.t.Error("a secret is in the log")
	}
}

// What Splunk answers is explained by its code; its text, which may repeat the token, is
// not shown.
func TestSplunkCodes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		body   string
		want   string
		paused bool
	}{
		{403, `{"text":"token-canary","code":4}`, "Splunk answered 403, code 4: the token is not valid", true},
		{403, `{"text":"token-canary","code":1}`, "Splunk answered 403, code 1: the token is disabled", true},
		{401, `{"text":"token-canary","code":2}`, "Splunk answered 401, code 2: a token is needed", true},
		{400, `{"text":"token-canary","code":7,"invalid-event-number":0}`, "Splunk answered 400, code 7: the index is not one of the token's", false},
		{503, `{"text":"token-canary","code":9}`, "Splunk answered 503, code 9: it is busy", false},
		{503, `token-canary`, "answered 503, expected 2xx", false},
		{400, `{"code":6,"invalid-event-number":-1}`, "Splunk answered 400, code 6: it does not accept the format of an event", false},
		{400, `{"code":6,"invalid-event-number":99}`, "Splunk answered 400, code 6: it does not accept the format of an event", false},
	} {
		d, other := newDesk(t), newCollector(t)
		other.answer = func(w http.ResponseWriter) bool {
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
			return true
		}
		s := d.splunk(other.URL)
		d.many(1)
		d.work()
		now := d.get(s)
		if now.LastError == nil || *now.LastError != tt.want || (now.Status == stream.Paused) != tt.paused || now.Reached != 0 {
			t.Errorf("%d %s: %v, %+v", tt.status, tt.body, *now.LastError, now.Progress)
		}
		d.hidesCanary()
	}
}

// Datadog gets each entry as a log, with its time if it is not too old.
func TestDatadog(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var logs []map[string]any
	var header http.Header
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		var batch []map[string]any
		testkit.Must(t, json.NewDecoder(r.Body).Decode(&batch))
		logs, header = append(logs, batch...), r.Header
		if r.URL.Path != "/api/v2/logs" {
			t.Errorf("the path is %s", r.URL.Path)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	d.vendors.Datadog = rec.URL
	d.runner = d.newRunner()
	s := d.create(stream.New{Name: "Datadog", Type: stream.Datadog, Settings: stream.Settings{Site: "datadoghq.eu"}, Secret: "key-canary"})
	d.many(1)
	d.add(audit.Entry{Action: "api_key.create", Actor: audit.Actor{Type: audit.APIKey, ID: "key_1"}, Outcome: audit.Failure})
	d.work()
	d.many(1)
	d.sequence()
	d.Advance(t, 20*time.Hour)
	jobtest.Drain(t, d.runner)
	if len(logs) != 3 || header.Get("DD-API-KEY") != "key-canary" {
		t.Fatalf("%d logs with %v", len(logs), header)
	}
	if logs[0]["status"] != "info" || logs[1]["status"] != "warn" || logs[0]["timestamp"] == nil || logs[2]["timestamp"] != nil ||
		logs[1]["message"] != "api_key.create by api_key key_1: failure" || logs[0]["ddsource"] != "portico" || !strings.Contains(logs[0]["ddtags"].(string), s.ID.String()) {
		t.Errorf("the logs are %v", logs)
	}
	d.hidesCanary()
}

// cloud is S3 with an STS before it: the role asks for the external id.
func cloud(t *testing.T, externalID func() string) string {
	t.Helper()
	to, err := url.Parse(testkit.S3Endpoint(t))
	testkit.Must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/" {
			proxy.ServeHTTP(w, r)
			return
		}
		testkit.Must(t, r.ParseForm())
		if r.Form.Get("Action") != "AssumeRole" || r.Form.Get("ExternalId") != externalID() {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`))
			return
		}
		_, _ = w.Write([]byte(`<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey>` +
			`<SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Batches are objects with a line for each entry, whose keys are in the order of the
// log. A role that others could use, a missing role and a missing bucket are named.
func TestS3(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	asked := "org_x"
	d.aws = testkit.AWS(cloud(t, func() string { return asked }))
	d.runner = d.newRunner()
	client, name := testkit.S3(t, testkit.S3Endpoint(t))
	settings := stream.Settings{Bucket: name, Region: "us-east-1", Prefix: "log/", RoleARN: "arn:aws:iam::123456789012:role/r", ExternalID: "org_x"}
	s := d.create(stream.New{Name: "S3", Type: stream.S3, Settings: settings})
	work := func() {
		d.sequence()
		d.Advance(t, 2*time.Minute)
		jobtest.Drain(t, d.runner)
	}
	d.many(3)
	work()
	d.many(2)
	work()
	var ids, keys []string
	list, err := client.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: &name})
	testkit.Must(t, err)
	for _, o := range list.Contents {
		keys = append(keys, *o.Key)
		object, err := client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &name, Key: o.Key})
		testkit.Must(t, err)
		packed, err := io.ReadAll(object.Body)
		testkit.Must(t, err)
		reader, err := gzip.NewReader(bytes.NewReader(packed))
		testkit.Must(t, err)
		text, err := io.ReadAll(reader)
		testkit.Must(t, err)
		for line := range bytes.Lines(text) {
			var e entry
			testkit.Must(t, json.Unmarshal(line, &e))
			ids = append(ids, e.ID)
		}
	}
	want(t, "entries", ids, d.ids())
	if len(keys) != 2 || !slices.IsSorted(keys) || !strings.HasPrefix(keys[0], "log/20") || !strings.HasSuffix(keys[1], "/00000000000000000004.ndjson.gz") {
		t.Errorf("the keys are %v", keys)
	}
	for _, tt := range []struct {
		asked, bucket, want string
		paused              bool
	}{
		{"org_x", "b-missing", "the object cannot be written: there is no such bucket", false},
		{"", name, "the role can be assumed without the external id", true},
		{"another", name, "the role cannot be assumed: access was denied", true},
	} {
		asked = tt.asked
		d.update(s, stream.Change{Status: new(stream.Enabled), Type: stream.S3, Settings: func(to stream.Settings) stream.Settings { to.Bucket = tt.bucket; return to }})
		work()
		now := d.get(s)
		if now.LastError == nil || !strings.HasPrefix(*now.LastError, tt.want) || (now.Status == stream.Paused) != tt.paused {
			t.Errorf("%+v: %v, %s", tt, *now.LastError, now.Status)
		}
	}
}
