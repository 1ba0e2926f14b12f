package hostname

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

const (
	// askFor is how long DNS may take.
	askFor = 3 * time.Second
	// readAtMost bounds how many of a name's records are looked at.
	readAtMost = 20
	// showAtMost bounds how much of a record is shown, in bytes.
	showAtMost = 80
)

// prove asks DNS for the domain's record and follows an alias. If no record has
// exactly the required value, the error says what was found instead.
func (d Domain) prove(ctx context.Context, resolver *net.Resolver) error {
	name, value := d.Record()
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	found, err := resolver.LookupTXT(ctx, name+".") // the dot keeps the machine's search domains out
	found = found[:min(len(found), readAtMost)]
	var failed *net.DNSError
	switch {
	case slices.Contains(found, value):
		return nil
	case err == nil && len(found) > 0:
		return unproven("%s has TXT records (%d), but none has the value %q; the first is %q. Add a record with that value, wait until DNS shows it, and verify again.",
			name, len(found), value, found[0][:min(len(found[0]), showAtMost)])
	case err == nil, errors.As(err, &failed) && failed.IsNotFound:
		return unproven("%s has no TXT record. Create it with the value %q, wait until DNS shows it, and verify again.", name, value)
	case errors.As(err, &failed) && failed.IsTemporary && !failed.IsTimeout:
		return unproven("The name servers of %s answer with an error. Repair its DNS and verify again.", name)
	}
	return ErrDNSAway.Saying("DNS did not answer for %s. Verify again; if this continues, check that the name servers of the domain answer.", name).
		Because(fmt.Errorf("hostname.prove: %w", err))
}

func unproven(what string, args ...any) error {
	return ErrUnproven.Saying(what, args...)
}
