package stack

import (
	"net/http"
	"slices"
	"strings"

	"portico/infra/local/aws"
	"portico/infra/local/preview"
	"portico/shared/pg"
)

// mailbox shows the mails that were sent, or those whose recipients or subject
// contain a text.
func (c *control) mailbox(w http.ResponseWriter, r *http.Request) {
	contains := r.URL.Query().Get("contains")
	mails := slices.DeleteFunc(c.stack.Mailbox().List(), func(m aws.Mail) bool {
		text := strings.Join(m.To, " ") + " " + m.Subject
		return !strings.Contains(strings.ToLower(text), strings.ToLower(contains))
	})
	c.page(w, "mailbox.html", map[string]any{"Mails": mails, "Contains": contains})
}

// mail shows one mail: HTML, text and source.
func (c *control) mail(w http.ResponseWriter, r *http.Request) {
	m, ok := c.stack.Mailbox().Get(r.PathValue("id"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	c.page(w, "mail.html", struct {
		aws.Mail
		Phone bool
	}{m, r.URL.Query().Get("width") == "phone"})
}

// preview shows the mail templates as they are on the disk, and what staff have saved
// instead of them.
func (c *control) preview(w http.ResponseWriter, r *http.Request) {
	var home pg.Querier
	if url := c.stack.DatabaseURL; url != "" {
		db, err := pg.OpenFor(r.Context(), url, 1)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		defer db.Close()
		home = db.Shared()
	}
	c.page(w, "preview.html", preview.Look(r.Context(), preview.Folder(c.stack.root), home, r.URL.Query()))
}
