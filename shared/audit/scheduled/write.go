package scheduled

import (
	"bytes"
	"context"
	"errors"

	"portico/shared/audit/export"
	"portico/shared/audit/stream"
	"portico/shared/bucket"
	"portico/shared/id"
	"portico/shared/pg"
)

// partSize is how many bytes of a file a step writes.
const partSize = 8 << 20

// upload is how far a file is in the bucket of the customer.
type upload struct {
	Export id.AuditExport `json:"export,omitzero"`
	Stream id.AuditStream `json:"stream,omitzero"`
	ID     string         `json:"id"`    // "": it was not begun
	Parts  []string       `json:"parts"` // the tags of the parts
	Done   bool           `json:"-"`
}

// write writes the next part of the file to the bucket of the stream. problem is why that
// did not work, for the customer. The name of the object has the period, so the same file
// is written again after a kill, and not a second one.
func (r Runner) write(ctx context.Context, tx pg.Tx, org id.Org, s Schedule, e export.Export, at upload) (next upload, problem string, err error) {
	to, err := stream.Get(ctx, tx, org, s.To.Stream)
	if errors.Is(err, stream.ErrNotFound) {
		return next, "the stream was deleted: choose another destination", nil
	}
	if err != nil {
		return next, "", err
	}
	if at.Export != s.Export || at.Stream != s.To.Stream { // the customer has changed the schedule
		at = upload{Export: s.Export, Stream: s.To.Stream}
	}
	from := int64(len(at.Parts)) * partSize
	body, err := e.Read(ctx, r.Exports, org, from, partSize)
	if err != nil {
		return next, "", err
	}
	next, isLast := at, from+int64(len(body)) >= e.Size
	key := to.Settings.Prefix + "exports/" + s.ID.String() + "/" + s.Next.String() + "." + s.Format
	o := r.Streams.InBucket(ctx, to.Settings, func(ctx context.Context, b *bucket.Bucket) (err error) {
		next, err = writePart(ctx, b, key, e, at, body, isLast)
		return err
	})
	next.Done = isLast
	return next, o.Error, nil
}

// writePart writes a part. A short file is written at once.
func writePart(ctx context.Context, b *bucket.Bucket, key string, e export.Export, at upload, body []byte, isLast bool) (_ upload, err error) {
	if isLast && at.ID == "" {
		return at, b.Put(ctx, key, bytes.NewReader(body), e.Object())
	}
	if at.ID == "" {
		if at.ID, err = b.Begin(ctx, key, e.Object()); err != nil {
			return at, err
		}
	}
	tag, err := b.PutPart(ctx, key, at.ID, int32(len(at.Parts)+1), body)
	if err != nil {
		return at, err
	}
	at.Parts = append(at.Parts[:len(at.Parts):len(at.Parts)], tag)
	if isLast {
		return at, b.Complete(ctx, key, at.ID, at.Parts)
	}
	return at, nil
}
