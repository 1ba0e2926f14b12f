package signin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"portico/shared/dynamo"
)

// Among reports whether who asks for something, a text of any length, is among the first
// ones who do, so many at most. That is known for a time after each of them has asked.
func (s *Store) Among(ctx context.Context, what, asker string, most int64, life time.Duration) (bool, error) {
	sum := sha256.Sum256([]byte(what))
	p, ends := s.place("askers", base64.RawURLEncoding.EncodeToString(sum[:])), s.now().Add(life)
	_, among, err := p.items.UpdateOrSee(ctx, p.noun, dynamo.Write{
		Update: "ADD askers :askers SET ends = :ends, expires_at = :expires",
		If:     "attribute_not_exists(pk) OR contains(askers, :asker) OR size(askers) < :most",
		Values: dynamo.Item{
			":askers": dynamo.Texts([]string{asker}), ":asker": dynamo.Text(asker), ":most": dynamo.Number(most),
			":ends": dynamo.Time(ends), ":expires": dynamo.Number(ends.Unix() + 1),
		},
	})
	if err != nil {
		return false, fmt.Errorf("signin.Among: %w", err)
	}
	return among, nil
}
