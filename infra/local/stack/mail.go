package stack

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"portico/infra/local/aws"
	"portico/infra/local/preview"
	"portico/shared/pg"
)

// mailboxView is the list of mails, as a query wants it.
type mailboxView struct {
	Mails    []aws.Mail
	Contains string // a text in the sender, a recipient, the subject, the text, the id or a tag
	State    string // the last event
	States   []string
	Account  aws.Account
}

// mailStates are the events by which the list can be filtered.
var mailStates = []string{aws.Sent, aws.Delivery, aws.DeliveryDelay, aws.Bounce, aws.Complaint, aws.Reject}

func (c *control) mailbox(w http.ResponseWriter, r *http.Request) {
	v := mailboxView{Contains: r.URL.Query().Get("contains"), State: r.URL.Query().Get("state"), States: mailStates, Account: c.stack.aws.Account()}
	wanted := strings.ToLower(v.Contains)
	v.Mails = slices.DeleteFunc(c.stack.Mailbox().List(), func(m aws.Mail) bool {
		text := strings.Join(slices.Concat([]string{m.From, m.Subject, m.Text, m.ID}, m.To, m.Cc, m.Bcc, m.Tags), "\n")
		return !strings.Contains(strings.ToLower(text), wanted) || v.State != "" && m.State() != v.State
	})
	c.page(w, "mailbox.html", v)
}

// mailView is one mail in one form.
type mailView struct {
	aws.Mail
	Form    string
	Forms   []string
	Phone   bool
	Actions []mailAction
}

// mailAction is a button: what it says, and the event that it causes.
type mailAction struct{ Say, Event string }

var mailActions = []mailAction{{"Deliver", aws.Delivery}, {"Delay", aws.DeliveryDelay}, {"Bounce", aws.Bounce}, {"Complain", aws.Complaint}}

func (c *control) mail(w http.ResponseWriter, r *http.Request) {
	m, ok := c.stack.Mailbox().Get(r.PathValue("id"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	v := mailView{Mail: m, Actions: mailActions, Form: r.URL.Query().Get("form"), Phone: r.URL.Query().Get("width") == "phone"}
	for form, has := range map[string]bool{"HTML": m.HTML != "", "text": m.Text != "", "source": len(m.Raw) > 0} {
		if has {
			v.Forms = append(v.Forms, form)
		}
	}
	slices.Sort(v.Forms) // capitals first
	v.Forms = append(v.Forms, "headers")
	if !slices.Contains(v.Forms, v.Form) {
		v.Form = v.Forms[0]
	}
	c.page(w, "mail.html", v)
}

// With returns the address of the same mail with another value of one field.
func (v mailView) With(field, value string) string {
	q := url.Values{"form": {v.Form}}
	if v.Phone {
		q.Set("width", "phone")
	}
	q.Set(field, value)
	return "?" + q.Encode()
}

// report makes something become of a mail, and leads back to it.
func (c *control) report(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if _, ok := c.stack.Mailbox().Get(id); !ok {
		http.NotFound(w, r)
		return
	}
	if err := c.stack.aws.Report(id, r.PostFormValue("event")); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, mailboxPath+"/"+id, http.StatusSeeOther)
}

// enforcements are what SES thinks of an account.
var enforcements = []string{"HEALTHY", "PROBATION", "SHUTDOWN"}

type accountView struct {
	aws.Account
	Enforcements []string
	Error        string
}

func (c *control) mailAccount(w http.ResponseWriter, _ *http.Request) {
	c.page(w, "account.html", accountView{c.stack.aws.Account(), enforcements, ""})
}

func (c *control) setMailAccount(w http.ResponseWriter, r *http.Request) {
	a, err := readAccount(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		c.page(w, "account.html", accountView{a, enforcements, err.Error()})
		return
	}
	c.stack.aws.SetAccount(a)
	http.Redirect(w, r, mailboxPath, http.StatusSeeOther)
}

func readAccount(r *http.Request) (a aws.Account, err error) {
	on := func(name string) bool { return r.PostFormValue(name) != "" }
	a = aws.Account{Enforcement: r.PostFormValue("enforcement"), Sandbox: on("sandbox"), Paused: on("paused"), Held: on("held")}
	for name, field := range map[string]*float64{"quota": &a.Max24HourSend, "rate": &a.MaxSendRate} {
		n, parseErr := strconv.ParseInt(r.PostFormValue(name), 10, 32)
		*field = float64(n)
		if parseErr != nil || n < 0 && (name != "quota" || n != -1) {
			err = fmt.Errorf("the %s must be a whole number; a quota of -1 means that there is none", name)
		}
	}
	if !slices.Contains(enforcements, a.Enforcement) {
		err = fmt.Errorf("the account is one of %s", strings.Join(enforcements, ", "))
	}
	return a, err
}

// preview shows the mail templates as they are on the disk, and what staff have saved
// instead of them.
func (c *control) preview(w http.ResponseWriter, r *http.Request) {
	var home pg.Querier
	if c.stack.DatabaseURL != "" {
		db, err := pg.OpenFor(r.Context(), withPassword(c.stack.DatabaseURL), 1)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		defer db.Close()
		home = db.Shared()
	}
	c.page(w, "preview.html", preview.Look(r.Context(), preview.Folder(c.stack.root), home, r.URL.Query()))
}

// withPassword adds a password to a URL that has none, because pg would ask AWS for one.
// The stack's own server asks for none.
func withPassword(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return databaseURL // who opens it says what is wrong
	}
	if _, has := u.User.Password(); !has {
		u.User = url.UserPassword(u.User.Username(), "trusted")
	}
	return u.String()
}
