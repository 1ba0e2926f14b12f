// Package bucket reads and writes objects of S3 buckets.
package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// timeout bounds one request. An object may be large.
	timeout = time.Minute
	// linkFor is how long a link works.
	linkFor = 10 * time.Minute
)

var (
	// ErrExists is returned by PutNew if there is an object with the key.
	ErrExists = errors.New("bucket: the object exists")
	// ErrAbsent is returned if there is no object with the key. Without the permission
	// to list the bucket, S3 answers that access is denied instead, which is another
	// error.
	ErrAbsent = errors.New("bucket: there is no such object")
	// ErrUpload is returned if an upload is not there any more, or a part of it was
	// written again. Nothing can be done but begin another one.
	ErrUpload = errors.New("bucket: the upload cannot be completed")
	// ErrTooLarge is returned by Get for an object of more bytes than it may read.
	ErrTooLarge = errors.New("bucket: the object is too large")
)

// Bucket is one bucket.
type Bucket struct {
	calls
	name string
}

// New returns the bucket with this name. At an address of one's own, as on a laptop,
// the bucket is a part of the path and not of the host.
func New(cfg aws.Config, name string) *Bucket {
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil
		o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(timeout)
	})
	return &Bucket{callsOf(client), name}
}

// Object is what is stored with an object besides its bytes.
type Object struct {
	ContentType string            // such as application/x-ndjson
	Encoding    string            // such as gzip; "": none
	Metadata    map[string]string // names in lower case
}

// Put writes an object of at most 5 GB, or replaces it.
func (b *Bucket) Put(ctx context.Context, key string, body io.ReadSeeker, o Object) error {
	if _, err := b.putObject(ctx, b.put(key, body, o)); err != nil {
		return fmt.Errorf("bucket.Put: %w", err)
	}
	return nil
}

// PutNew writes an object if there is none with the key; otherwise it returns
// ErrExists. Of several writers at a time, one succeeds.
func (b *Bucket) PutNew(ctx context.Context, key string, body []byte, o Object) error {
	in := b.put(key, bytes.NewReader(body), o)
	in.IfNoneMatch = aws.String("*")
	_, err := b.putObject(ctx, in)
	switch status := statusOf(err); {
	case err == nil:
		return nil
	case status == http.StatusPreconditionFailed:
		return ErrExists
	}
	return fmt.Errorf("bucket.PutNew: %w", err)
}

func (b *Bucket) put(key string, body io.Reader, o Object) *s3.PutObjectInput {
	in := &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: body, Metadata: o.Metadata, ChecksumAlgorithm: types.ChecksumAlgorithmSha256}
	if o.ContentType != "" {
		in.ContentType = &o.ContentType
	}
	if o.Encoding != "" {
		in.ContentEncoding = &o.Encoding
	}
	return in
}

// Get reads an object of at most that many bytes.
func (b *Bucket) Get(ctx context.Context, key string, atMost int64) ([]byte, error) {
	out, err := b.getObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return nil, absent("bucket.Get", err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(io.LimitReader(out.Body, atMost+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("bucket.Get: %w", err)
	case int64(len(body)) > atMost:
		return nil, ErrTooLarge
	}
	return body, nil
}

// GetPart reads that many bytes of an object from a place on, or fewer at its end.
func (b *Bucket) GetPart(ctx context.Context, key string, from, length int64) ([]byte, error) {
	out, err := b.getObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", from, from+length-1))})
	if err != nil {
		return nil, absent("bucket.GetPart", err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(io.LimitReader(out.Body, length))
	if err != nil {
		return nil, fmt.Errorf("bucket.GetPart: %w", err)
	}
	return body, nil
}

// Head returns the size of an object in bytes, and what is stored with it.
func (b *Bucket) Head(ctx context.Context, key string) (size int64, o Object, err error) {
	out, err := b.headObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return 0, o, absent("bucket.Head", err)
	}
	o = Object{aws.ToString(out.ContentType), aws.ToString(out.ContentEncoding), out.Metadata}
	return aws.ToInt64(out.ContentLength), o, nil
}

// Link returns an address at which everybody who knows it can download the object for
// ten minutes, as a file with that name.
func (b *Bucket) Link(ctx context.Context, key, file string) (string, error) {
	disposition := fmt.Sprintf("attachment; filename=%q", file)
	signed, err := b.presignGetObject(ctx,
		&s3.GetObjectInput{Bucket: &b.name, Key: &key, ResponseContentDisposition: &disposition}, s3.WithPresignExpires(linkFor))
	if err != nil {
		return "", fmt.Errorf("bucket.Link: %w", err)
	}
	return signed.URL, nil
}

// IsDenied reports whether S3 has answered that access is denied. Without the permission
// to list the bucket it says so of an object that is not there, too.
func IsDenied(err error) bool { return statusOf(err) == http.StatusForbidden }

func absent(call string, err error) error {
	if statusOf(err) == http.StatusNotFound {
		return ErrAbsent
	}
	return fmt.Errorf("%s: %w", call, err)
}

// statusOf returns the status of S3's reply; 0: there was none.
func statusOf(err error) int {
	var reply *awshttp.ResponseError
	if errors.As(err, &reply) {
		return reply.HTTPStatusCode()
	}
	return 0
}
