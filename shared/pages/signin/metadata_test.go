package signin_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"portico/infra/local/samlidp"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/provider/document"
	"portico/shared/sso"
	"portico/shared/sso/watch"
	"portico/shared/testkit"
)

// reads lets the metadata of a connection be read, and returns the connection then.
func (s *stage) reads(c sso.Found) sso.Found {
	s.t.Helper()
	s.db.InOrg(s.t, c.Org, func(ctx context.Context, tx pg.Tx) error { return watch.Read(ctx, tx, c.Org, c.ID, c.MetadataURL) })
	kinds, err := job.NewRegistry(watch.ReadMetadata(document.Reader(testkit.Loopback(s.t).Transport())))
	testkit.Must(s.t, err)
	jobtest.Drain(s.t, &job.Runner{DB: s.db.App, Worker: s.db.Worker, Database: pg.Home, Queue: job.Bulk, Kinds: kinds, Clock: s.clock, Log: observe.NewLog(io.Discard, "test")})
	after, err := sso.Find(s.t.Context(), s.db.App, c.ID)
	testkit.Must(s.t, err)
	return after
}

// metadataOf returns what a provider publishes.
func metadataOf(p *samlidp.Provider) string {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, p.Issuer(), nil))
	return w.Body.String()
}

var keyDescriptor = regexp.MustCompile(`(?s)<KeyDescriptor.*?</KeyDescriptor>`)

// A provider that publishes its metadata changes its key without anybody doing anything here:
// it publishes the new certificate besides the old one, signs with the new key, and takes the
// old one away.
func TestMetadataRollover(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	idp, c := s.samlRollover()
	old, next := metadataOf(idp.old), metadataOf(idp.next)
	both := strings.Replace(old, "<KeyDescriptor", keyDescriptor.FindString(next)+"<KeyDescriptor", 1)
	published := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, published) }))
	t.Cleanup(server.Close)
	s.db.Exec(t, `UPDATE sso_connection SET metadata_url = $2 WHERE id = $1`, c.ID, server.URL)
	c.MetadataURL = server.URL
	for _, step := range []struct {
		name, published string
		oldIn, newIn    bool
	}{{"the old one", old, true, false}, {"both", both, true, true}, {"the new one", next, false, true}} {
		published = step.published
		c = s.reads(c)
		for key, in := range map[*samlidp.Provider]bool{idp.old: step.oldIn, idp.next: step.newIn} {
			idp.signs(key)
			if got := s.enters(c); got != in {
				t.Errorf("with the metadata of %s the old key %v: lets in %v", step.name, key == idp.old, got)
			}
		}
	}
	log := testkit.Value[string](t, s.db, `SELECT string_agg(actor_id || ' ' || json_array_length(after->'certificates'), ', ' ORDER BY id) FROM audit_entry WHERE action = 'sso_connection.update'`)
	if log != "sso_metadata 2, sso_metadata 1" || c.MetadataReadAt == nil || c.MetadataError != "" {
		t.Errorf("the log: %s; %+v", log, c)
	}
}
