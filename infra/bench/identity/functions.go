package identity

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// starts measures the first request to each function after the stack has started, which
// starts its process, and the next ones.
func (b *bed) starts(ctx context.Context) error {
	b.print("\nThe first request to a function, and the fastest of ten more, ms")
	for _, path := range []string{"/sign-in", "/.well-known/openid-configuration", "/v1/me", "/v1/members"} {
		first, fastest := time.Duration(0), time.Hour
		for range 11 {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.site+path, nil)
			if err != nil {
				return err
			}
			begin := time.Now()
			got, err := http.DefaultClient.Do(r)
			if err != nil {
				return err
			}
			took := time.Since(begin)
			_ = got.Body.Close()
			if first == 0 {
				first = took
			} else {
				fastest = min(fastest, took)
			}
		}
		b.print("%-36s %6.1f %6.1f", path, float64(first.Microseconds())/1000, float64(fastest.Microseconds())/1000)
	}
	return nil
}

// zips builds the functions of people for Lambda and prints how large their zips are.
func (b *bed) zips(ctx context.Context) error {
	b.Progress("identity: building functions for arm64 …")
	dir, err := os.MkdirTemp("", "portico-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b.print("\nZips, MB")
	for _, function := range []string{"web/sign-in", "web/oauth", "api/identity", "api/organization"} {
		program := filepath.Join(dir, "bootstrap")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", program, "./functions/"+function)
		build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		size, err := zipped(program)
		if err != nil {
			return err
		}
		b.print("%-20s %5.2f", function, float64(size)/1e6)
	}
	return nil
}

// zipped returns how many bytes a zip with only this file has.
func zipped(program string) (int, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return 0, err
	}
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	file, err := archive.Create("bootstrap")
	if err != nil {
		return 0, err
	}
	if _, err := file.Write(text); err != nil {
		return 0, err
	}
	err = archive.Close()
	return out.Len(), err
}
