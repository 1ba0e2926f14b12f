package streaming

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"time"

	"portico/shared/audit/stream"
	"portico/shared/bucket"
)

// sendS3 writes a batch as one object: gzip, an entry on each line. A repetition writes
// the same object again.
func (s *Sender) sendS3(ctx context.Context, b stream.Batch) stream.Outcome {
	return s.InBucket(ctx, b.Stream.Settings, func(ctx context.Context, to *bucket.Bucket) error {
		return to.Put(ctx, objectKey(b), bytes.NewReader(compress(b.Entries)), bucket.Object{ContentType: "application/x-ndjson", Encoding: "gzip"})
	})
}

// InBucket calls a function that writes to the bucket of a stream, with the rights of the
// role that the customer has made for it.
func (s *Sender) InBucket(ctx context.Context, to stream.Settings, write func(context.Context, *bucket.Bucket) error) stream.Outcome {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	cfg, err := bucket.InRole(ctx, s.aws, to.RoleARN, to.ExternalID, "portico-audit-stream")
	if err != nil {
		return s.s3Outcome(ctx, "the role cannot be assumed", err)
	}
	cfg.Region = to.Region
	if err := write(ctx, bucket.New(cfg, to.Bucket)); err != nil {
		return s.s3Outcome(ctx, "the object cannot be written", err)
	}
	return stream.Outcome{}
}

// objectKey has the time of the first entry, and the first number of the range: keys are
// in the order of the log. A replay has keys of its own, so that it does not replace
// what it repeats only in part.
func objectKey(b stream.Batch) string {
	at := time.Time(b.Entries[0].CreatedAt).UTC()
	name := fmt.Sprintf("%020d", b.From+1)
	switch b.Part {
	case stream.Replayed:
		name += fmt.Sprintf("-replay-%d", b.Stream.Replay.At.UnixMicro())
	case stream.Trial:
		name = "test-" + b.Stream.TestID.String()
	}
	return b.Stream.Settings.Prefix + at.Format("2006/01/02/") + name + ".ndjson.gz"
}

func compress(entries []stream.Entry) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	for _, e := range entries {
		_, _ = w.Write(append(encode(e), '\n')) // to memory: never fails
	}
	_ = w.Close()
	return b.Bytes()
}

// s3Outcome says what an error of AWS means. Its own text is not shown, because it names
// who we are.
func (s *Sender) s3Outcome(ctx context.Context, what string, err error) stream.Outcome {
	code := bucket.CodeOf(err)
	o := stream.Outcome{Error: what + ": AWS answered " + code}
	switch {
	case errors.Is(err, bucket.ErrOpenRole):
		o.Refused, o.Error = true, "the role can be assumed without the external id: ask for it in the role's trust policy, or others could use the role"
	case code == "AccessDenied" || code == "AllAccessDisabled" || code == "Forbidden":
		o.Refused, o.Error = true, what+": access was denied"
	case code == "NoSuchBucket":
		o.Error = what + ": there is no such bucket"
	case code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed" || code == "IllegalLocationConstraintException":
		o.Error = what + ": the bucket is in another region"
	case code == "" && ctx.Err() != nil:
		o.Error = fmt.Sprintf("%s: no complete response within %s", what, s.timeout)
	case code == "":
		o.Error = what + ": AWS could not be reached"
	}
	return o
}
