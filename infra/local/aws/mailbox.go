package aws

import (
	"slices"
	"sync"
	"time"
)

// maxMails is how many mails the mailbox keeps.
const maxMails = 500

// Mail is one mail that SES would have sent. Text and HTML are decoded; Raw
// holds the message of a raw send.
type Mail struct {
	ID          string
	At          time.Time
	From        string
	To, Cc, Bcc []string
	ReplyTo     []string
	Subject     string
	Text, HTML  string
	Template    string // its name, when the content is a template's
	Data        string // for the template, JSON
	Raw         []byte
	// ConfigurationSet and Tags, each as name=value, are what the call had.
	ConfigurationSet string
	Tags             []string
	Events           []Event // what became of it, the oldest first
}

// State is the type of the last event, "" if there was none.
func (m Mail) State() string {
	if len(m.Events) == 0 {
		return ""
	}
	return m.Events[len(m.Events)-1].Type
}

// Mailbox holds what was sent, newest first.
type Mailbox struct {
	now   func() time.Time
	mu    sync.Mutex
	mails []Mail
}

func (b *Mailbox) add(m Mail) Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.ID, m.At = newID(), b.now()
	b.mails = slices.Insert(b.mails, 0, m)
	b.mails = b.mails[:min(len(b.mails), maxMails)]
	return m
}

// List returns all mails, newest first.
func (b *Mailbox) List() []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.mails)
}

// Get returns one mail.
func (b *Mailbox) Get(id string) (Mail, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.mails, func(m Mail) bool { return m.ID == id })
	if i < 0 {
		return Mail{}, false
	}
	return b.mails[i], true
}

// happened adds what became of a mail.
func (b *Mailbox) happened(id string, e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.mails, func(m Mail) bool { return m.ID == id }); i >= 0 {
		b.mails[i].Events = append(slices.Clip(b.mails[i].Events), e) // copies of the mail keep theirs
	}
}
