package restore_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"portico/shared/audit/anchor"
	"portico/shared/audit/chain"
	"portico/shared/testkit"
)

func (f *fixture) key(first int) string { return fmt.Sprintf("%s/%019d.ndjson.gz", f.org, first) }

func (f *fixture) object(key string) []byte {
	f.t.Helper()
	object, err := f.bucket().Get(context.Background(), key, 1<<20)
	testkit.Must(f.t, err)
	return object
}

func (f *fixture) put(key string, object []byte) {
	f.t.Helper()
	_, err := f.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &f.name, Key: &key, Body: bytes.NewReader(object)})
	testkit.Must(f.t, err)
}

func (f *fixture) remove(key string) {
	f.t.Helper()
	_, err := f.s3.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: &f.name, Key: &key})
	testkit.Must(f.t, err)
}

// rewrite replaces a text in an object.
func (f *fixture) rewrite(key, from, to string) {
	f.t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(f.object(key)))
	testkit.Must(f.t, err)
	text, err := io.ReadAll(reader)
	testkit.Must(f.t, err)
	if !strings.Contains(string(text), from) {
		f.t.Fatalf("%s has no %s: %s", key, from, text)
	}
	var object bytes.Buffer
	writer := gzip.NewWriter(&object)
	_, err = writer.Write([]byte(strings.Replace(string(text), from, to, 1)))
	testkit.Must(f.t, err)
	testkit.Must(f.t, writer.Close())
	f.put(key, object.Bytes())
}

// moveAnchor gives the anchor another hash.
func (f *fixture) moveAnchor() {
	at, err := f.anchors.Read(context.Background(), anchor.Log{Org: f.org})
	testkit.Must(f.t, err)
	at.Hash[0]++
	f.setAnchor(at)
}

func (f *fixture) setAnchor(at chain.Head) {
	f.t.Helper()
	log := anchor.Log{Org: f.org}
	from, err := f.anchors.Read(context.Background(), log)
	testkit.Must(f.t, err)
	_, err = f.anchors.Advance(context.Background(), log, from, at)
	testkit.Must(f.t, err)
}
