package signin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"portico/shared/dynamo"
)

// Spend notes that an assertion of a connection's provider is used, until it ends. Of
// several at once one succeeds; the others get ErrUsed.
func (s *Store) Spend(ctx context.Context, connection, assertion string, ends time.Time) error {
	sum := sha256.Sum256([]byte(assertion)) // the provider's id may have any length
	at := s.place("assertion", connection+"#"+base64.RawURLEncoding.EncodeToString(sum[:]))
	err := at.items.Put(ctx, at.noun, dynamo.Item{"expires_at": dynamo.Number(ends.Unix() + 1)}, dynamo.Write{If: "attribute_not_exists(pk)"})
	switch {
	case dynamo.IsRefused(err):
		return ErrUsed
	case err != nil:
		return fmt.Errorf("signin.Spend: %w", err)
	}
	return nil
}
