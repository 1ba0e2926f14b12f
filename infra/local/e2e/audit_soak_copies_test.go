package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/infra/local/services"
	"portico/shared/id"
	"portico/shared/testkit"
)

// connect logs in to a database as an administrator.
func (a *auditSoak) connect(database string) *pgx.Conn {
	a.t.Helper()
	at, err := url.Parse(a.DatabaseURL)
	testkit.Must(a.t, err)
	if database != "home" {
		at.Path = "/" + services.Other(database)
	}
	conn, err := pgx.Connect(a.t.Context(), at.String())
	testkit.Must(a.t, err)
	return conn
}

// tabled is an entry of the table with its place in the chain; number 0: it has none.
type tabled struct {
	soakEntry
	Action, Outcome, Request, Target, Category string
	Attempts                                   int
}

// table returns all entries of a log in a database, and all places of its chain.
func (a *auditSoak) table(database string, org id.Org) []tabled {
	a.t.Helper()
	conn := a.connect(database)
	defer conn.Close(context.Background())
	rows, err := conn.Query(a.t.Context(), `
		SELECT coalesce(e.id, c.entry_id), coalesce(c.number, 0), coalesce(encode(c.hash, 'hex'), ''), coalesce(e.action, ''), coalesce(e.outcome, ''),
			coalesce(e.request_id, ''), coalesce(e.targets -> 0 ->> 'id', ''), coalesce(e.category, ''), coalesce((e.after ->> 'attempts')::int, 0)
		FROM (SELECT * FROM audit_entry WHERE org_id = $1) e FULL JOIN (SELECT * FROM audit_chain WHERE org_id = $1) c ON c.entry_id = e.id
		ORDER BY c.number`, [16]byte(org.UUID))
	testkit.Must(a.t, err)
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e tabled, err error) {
		var entry id.AuditEntry
		err = row.Scan(&entry.UUID, &e.Number, &e.Hash, &e.Action, &e.Outcome, &e.Request, &e.Target, &e.Category, &e.Attempts)
		e.ID = entry.String()
		return e, err
	})
	testkit.Must(a.t, err)
	return list
}

// archived returns the entries in the objects of a log, whose ranges must follow each other.
func (a *auditSoak) archived(log string) (list []soakEntry) {
	a.t.Helper()
	before := strings.Repeat("0", 64)
	for _, text := range a.objects("ArchiveBucket", log+"/") {
		lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		var end struct {
			First, Last int64
			HashBefore  string `json:"hash_before"`
			HeadHash    string `json:"head_hash"`
		}
		testkit.Must(a.t, json.Unmarshal(lines[len(lines)-1], &end))
		if end.First != int64(len(list)+1) || end.HashBefore != before {
			a.t.Errorf("%s: the object from %d on follows %d", log, end.First, len(list))
		}
		for _, line := range lines[:len(lines)-1] {
			var e struct {
				Number int64
				ID     uuid.UUID
				Hash   string
			}
			testkit.Must(a.t, json.Unmarshal(line, &e))
			list = append(list, soakEntry{e.Number, id.AuditEntry{UUID: e.ID}.String(), e.Hash})
		}
		if before = end.HeadHash; end.Last != int64(len(list)) || before != list[len(list)-1].Hash {
			a.t.Errorf("%s: an object says that it ends with %d, its last entry is %+v", log, end.Last, list[len(list)-1])
		}
	}
	return list
}

// objects returns the objects of a bucket with a prefix in the order of their keys,
// unzipped.
func (a *auditSoak) objects(bucket, prefix string) (texts [][]byte) {
	a.t.Helper()
	client := s3.NewFromConfig(testkit.AWS(a.AWSURL), func(o *s3.Options) { o.UsePathStyle = true })
	for _, b := range a.Template.Buckets {
		if b.LogicalID != bucket {
			continue
		}
		pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &b.Name, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(a.t.Context())
			testkit.Must(a.t, err)
			for _, o := range page.Contents {
				got, err := client.GetObject(a.t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: o.Key})
				testkit.Must(a.t, err)
				text, err := io.ReadAll(got.Body)
				testkit.Must(a.t, err)
				if strings.HasSuffix(*o.Key, ".gz") {
					zip, err := gzip.NewReader(bytes.NewReader(text))
					testkit.Must(a.t, err)
					text, err = io.ReadAll(zip)
					testkit.Must(a.t, err)
				}
				texts = append(texts, text)
			}
		}
	}
	return texts
}

// rows returns all entries of a database as text.
func (a *auditSoak) rows(database string) (text string) {
	conn := a.connect(database)
	defer conn.Close(context.Background())
	testkit.Must(a.t, conn.QueryRow(a.t.Context(), `
		SELECT coalesce((SELECT string_agg(e::text, E'\n') FROM audit_entry e), '') || coalesce((SELECT string_agg(s::text, E'\n') FROM audit_stream s), '')
			|| coalesce((SELECT string_agg(j::text, E'\n') FROM job j), '')`).Scan(&text))
	return text
}
