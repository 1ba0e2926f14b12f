package stream

import (
	"fmt"

	"portico/shared/id"
	"portico/shared/secret"
)

// secretContext binds a sealed secret to its stream.
func secretContext(org id.Org, stream id.AuditStream) string {
	return "audit_stream/" + org.String() + "/" + stream.String()
}

// seal returns nil for "": the stream has no secret.
func seal(box *secret.Box, org id.Org, stream id.AuditStream, plain string) []byte {
	if plain == "" {
		return nil
	}
	return box.Seal([]byte(plain), secretContext(org, stream))
}

// open opens what seal sealed, and keeps the order. A nil value is skipped.
func open(box *secret.Box, org id.Org, stream id.AuditStream, sealed ...[]byte) (plain []string, err error) {
	for _, s := range sealed {
		if s == nil {
			continue
		}
		p, err := box.Open(s, secretContext(org, stream))
		if err != nil {
			return nil, fmt.Errorf("secret of %s: %w", stream, err)
		}
		plain = append(plain, string(p))
	}
	return plain, nil
}
