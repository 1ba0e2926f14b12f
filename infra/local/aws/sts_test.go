package aws_test

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"portico/infra/local/aws"
	"portico/shared/bucket"
	"portico/shared/testkit"
)

// A role of another account writes to its bucket, with the external id only.
func TestAssumeRole(t *testing.T) {
	server := httptest.NewServer(nil)
	t.Cleanup(server.Close)
	services, err := aws.NewServer(aws.Options{Endpoint: server.URL})
	testkit.Must(t, err)
	testkit.Must(t, services.AddBucket("acme-audit-log"))
	server.Config.Handler = services
	ctx, own := context.Background(), testkit.AWS(server.URL)
	cfg, err := bucket.InRole(ctx, own, "arn:aws:iam::123456789012:role/portico-audit-log", "org_1", "test")
	testkit.Must(t, err)
	if used, err := cfg.Credentials.Retrieve(ctx); err != nil || used.SessionToken == "" {
		t.Errorf("%v, the role has no session: %v", used, err)
	}
	testkit.Must(t, bucket.New(cfg, "acme-audit-log").Put(ctx, "k", bytes.NewReader([]byte("x")), bucket.Object{}))
	if _, err := bucket.InRole(ctx, own, "arn:aws:iam::123456789012:role/portico-audit-log", "", "test"); err == nil || errors.Is(err, bucket.ErrOpenRole) {
		t.Errorf("without the external id: %v", err)
	}
}
