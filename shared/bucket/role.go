package bucket

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// ErrOpenRole is returned for a role that can be assumed without the external id: then
// every customer who knows its name could write with it.
var ErrOpenRole = errors.New("bucket: the role does not ask for the external id")

// InRole returns cfg with the credentials of a role of another account for 15 minutes.
// The role must ask for the external id, which tells whose request it is.
func InRole(ctx context.Context, cfg aws.Config, role, externalID, session string) (aws.Config, error) {
	client := sts.NewFromConfig(cfg)
	assume := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &session, DurationSeconds: aws.Int32(900)}
	switch _, err := client.AssumeRole(ctx, assume); {
	case err == nil:
		return cfg, ErrOpenRole
	case CodeOf(err) != "AccessDenied":
		return cfg, fmt.Errorf("bucket.InRole: %w", err)
	}
	assume.ExternalId = &externalID
	out, err := client.AssumeRole(ctx, assume)
	if err != nil {
		return cfg, fmt.Errorf("bucket.InRole: %w", err)
	}
	c := out.Credentials
	cfg.Credentials = credentials.NewStaticCredentialsProvider(aws.ToString(c.AccessKeyId), aws.ToString(c.SecretAccessKey), aws.ToString(c.SessionToken))
	return cfg, nil
}

// CodeOf returns the code of an answer of AWS, such as AccessDenied; "": there was none.
func CodeOf(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}
