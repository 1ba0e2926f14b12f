package bucket

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// MinPart is the smallest size of a part that is not the last one, in bytes.
const MinPart = 5 << 20

// Begin begins an object that is uploaded in parts, and returns the upload. The bucket
// removes uploads that are not completed.
func (b *Bucket) Begin(ctx context.Context, key string, o Object) (upload string, err error) {
	in := &s3.CreateMultipartUploadInput{Bucket: &b.name, Key: &key, Metadata: o.Metadata}
	if o.ContentType != "" {
		in.ContentType = &o.ContentType
	}
	if o.Encoding != "" {
		in.ContentEncoding = &o.Encoding
	}
	out, err := b.createMultipartUpload(ctx, in)
	if err != nil {
		return "", fmt.Errorf("bucket.Begin: %w", err)
	}
	return aws.ToString(out.UploadId), nil
}

// PutPart writes a part, or replaces it; parts have numbers from 1 to 10,000. The tag
// says which bytes the part has.
func (b *Bucket) PutPart(ctx context.Context, key, upload string, number int32, body []byte) (tag string, err error) {
	out, err := b.uploadPart(ctx, &s3.UploadPartInput{Bucket: &b.name, Key: &key, UploadId: &upload, PartNumber: &number, Body: bytes.NewReader(body)})
	if err != nil {
		return "", uploading("bucket.PutPart", err)
	}
	return aws.ToString(out.ETag), nil
}

// Complete makes the object of the parts with these tags. If that has happened already,
// it may return ErrUpload.
func (b *Bucket) Complete(ctx context.Context, key, upload string, tags []string) error {
	parts := make([]types.CompletedPart, len(tags))
	for i := range tags {
		parts[i] = types.CompletedPart{ETag: &tags[i], PartNumber: aws.Int32(int32(i + 1))}
	}
	_, err := b.completeMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &b.name, Key: &key, UploadId: &upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil {
		return uploading("bucket.Complete", err)
	}
	return nil
}

func uploading(call string, err error) error {
	switch statusOf(err) {
	case http.StatusNotFound, http.StatusBadRequest:
		return fmt.Errorf("%w: %w", ErrUpload, err)
	}
	return fmt.Errorf("%s: %w", call, err)
}
