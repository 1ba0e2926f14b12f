package transport

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
)

// SuppressionList is the list of addresses that get no mail, which SES keeps for the account.
type SuppressionList struct{ client *sesv2.Client }

// NewSuppressionList returns the list of an account.
func NewSuppressionList(config aws.Config) *SuppressionList {
	return &SuppressionList{sesv2.NewFromConfig(config)}
}

// Delete removes an address, if it is there.
func (l *SuppressionList) Delete(ctx context.Context, address string) error {
	address, err := EncodeAddress(strings.ToLower(address))
	if err != nil {
		return nil // it cannot be there
	}
	_, err = l.client.DeleteSuppressedDestination(ctx, &sesv2.DeleteSuppressedDestinationInput{EmailAddress: &address})
	var missing *types.NotFoundException
	if errors.As(err, &missing) {
		return nil
	}
	return err
}
