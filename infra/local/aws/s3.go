package aws

import (
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3afero"
	"github.com/spf13/afero"
)

// S3 serves buckets. It checks no signature, and neither locks nor expires objects: the
// test of the lock uses moto.
type S3 struct {
	objects gofakes3.Backend
	handler http.Handler
}

// NewS3 returns an S3 that keeps its objects in a folder; empty: in memory.
func NewS3(dir string) (*S3, error) {
	files := afero.NewMemMapFs()
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		files = afero.NewBasePathFs(afero.NewOsFs(), dir)
	}
	objects, err := s3afero.MultiBucket(files)
	if err != nil {
		return nil, err
	}
	// The stack's clock may be ahead of the server's.
	server := gofakes3.New(objects, gofakes3.WithTimeSkewLimit(0), gofakes3.WithLogger(gofakes3.DiscardLog()))
	return &S3{objects, server.Server()}, nil
}

func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// AddBucket creates a bucket, if it is missing.
func (s *S3) AddBucket(name string) error {
	if err := s.objects.CreateBucket(name); err != nil && !gofakes3.IsAlreadyExists(err) {
		return fmt.Errorf("bucket %s: %w", name, err)
	}
	return nil
}

// has reports whether a path begins with the name of a bucket.
func (s *S3) has(path string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	there, err := s.objects.BucketExists(name)
	return err == nil && there && name != ""
}
