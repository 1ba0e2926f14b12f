// Package feedback reads what mail services and mail servers report about mails that
// they have accepted: delivered, bounced, reported as spam. Reports may come twice, in
// any order and late, and some are of mails that are not ours.
package feedback

import (
	"errors"
	"time"

	"portico/shared/id"
)

// What is the kind of a report, and the status that it gives a mail.
type What string

// The kinds.
const (
	Sent       What = "sent" // the service has accepted it
	Delivered  What = "delivered"
	Delayed    What = "delayed"
	Bounced    What = "bounced"
	Complained What = "complained"
	Suppressed What = "suppressed" // the service has the address in its own list
	Rejected   What = "rejected"
)

// The kinds of bounces. The other bounces have none: the mail was refused for what it
// says, which tells nothing about the address.
const (
	Permanent    = "permanent"
	Transient    = "transient"
	Undetermined = "undetermined"
)

// Report is what a mail service or server says about one mail. It names no address:
// what it says is about the address that the mail was sent to.
type Report struct {
	Mail       id.Mail
	What       What
	At         time.Time // by the clock of whoever reports; zero: not said
	ProviderID string    // "": not said
	Bounce     string    // of What Bounced
	Counts     bool      // of What Bounced: it harms the sender's reputation
	Detail     string    // why, for people
}

// ErrNotOurs is returned for what reports nothing about a mail of ours.
var ErrNotOurs = errors.New("it is not about a mail that Portico sent")
