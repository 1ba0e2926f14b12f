package archive_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"portico/shared/bucket"
	"portico/shared/testkit"
)

// In a bucket as the template makes it, an object of the archive can be neither deleted
// nor unlocked earlier, and who writes another one over it leaves the first. Tried with
// moto, because the local S3 knows no locks.
func TestLock(t *testing.T) {
	t.Parallel()
	endpoint := os.Getenv("PORTICO_TEST_MOTO_URL")
	if endpoint == "" {
		t.Fatal("moto is not installed, so the lock cannot be tried: infra/local/moto says why; it needs Python with venv")
	}
	ctx := context.Background()
	client, name := testkit.S3(t, endpoint, func(in *s3.CreateBucketInput) { in.ObjectLockEnabledForBucket = aws.Bool(true) })
	_, err := client.PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{Bucket: &name, ObjectLockConfiguration: &types.ObjectLockConfiguration{
		ObjectLockEnabled: types.ObjectLockEnabledEnabled,
		Rule:              &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeCompliance, Days: aws.Int32(365)}},
	}})
	testkit.Must(t, err)
	f := newFixture(t)
	a := f.archiver()
	a.Bucket = bucket.New(testkit.AWS(endpoint), name)
	f.write(2, nil)
	f.sequence()
	f.run(a)
	if f.end().Number != 2 {
		t.Fatalf("not archived: %s", f.log.String())
	}
	list, err := client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &name})
	if err != nil || len(list.Versions) != 1 {
		t.Fatalf("%d versions, %v", len(list.Versions), err)
	}
	key, version := list.Versions[0].Key, list.Versions[0].VersionId
	there, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &name, Key: key, VersionId: version})
	if err != nil || there.ObjectLockMode != types.ObjectLockModeCompliance || time.Until(*there.ObjectLockRetainUntilDate) < 364*24*time.Hour {
		t.Fatalf("%+v, %v", there, err)
	}
	if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &name, Key: key, VersionId: version}); err == nil {
		t.Error("the object was deleted")
	}
	if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &name, Key: key, VersionId: version, BypassGovernanceRetention: aws.Bool(true)}); err == nil {
		t.Error("the object was deleted with the permission to bypass")
	}
	_, err = client.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{
		Bucket: &name, Key: key, VersionId: version,
		Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeCompliance, RetainUntilDate: aws.Time(time.Now().Add(time.Minute))},
	})
	if err == nil {
		t.Error("the lock was shortened")
	}
}
