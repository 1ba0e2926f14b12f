package transport

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
)

// Suppressed is an address to which a mail service sends nothing.
type Suppressed struct {
	Address   string
	Complaint bool      // false: because of a bounce
	At        time.Time // when the service entered it last
}

// SuppressionList is the list of addresses that get no mail, which SES keeps for the account.
type SuppressionList struct{ client *sesv2.Client }

// NewSuppressionList returns the list of an account.
func NewSuppressionList(config aws.Config) *SuppressionList {
	return &SuppressionList{sesv2.NewFromConfig(config)}
}

// pageSize is how many addresses a page has; SES allows no more.
const pageSize = 1000

// Page returns a part of the list. token is that of the part before; "": the first.
func (l *SuppressionList) Page(ctx context.Context, token string) (page []Suppressed, next string, err error) {
	in := &sesv2.ListSuppressedDestinationsInput{PageSize: aws.Int32(pageSize)}
	if token != "" {
		in.NextToken = &token
	}
	out, err := l.client.ListSuppressedDestinations(ctx, in)
	if err != nil {
		return nil, "", err
	}
	for _, one := range out.SuppressedDestinationSummaries {
		page = append(page, Suppressed{aws.ToString(one.EmailAddress), one.Reason == types.SuppressionListReasonComplaint, aws.ToTime(one.LastUpdateTime)})
	}
	return page, aws.ToString(out.NextToken), nil
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
