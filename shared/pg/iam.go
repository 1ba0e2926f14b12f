package pg

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/jackc/pgx/v5"
)

// iamToken sets an RDS IAM token, valid for 15 minutes, as the password. It is
// computed from the function's own credentials, without a network call.
func iamToken(ctx context.Context, c *pgx.ConnConfig) error {
	aws, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("pg: credentials: %w", err)
	}
	address := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	c.Password, err = auth.BuildAuthToken(ctx, address, aws.Region, c.User, aws.Credentials)
	return err
}
