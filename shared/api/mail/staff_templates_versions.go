package mail

import (
	"encoding/binary"
	"net/http"
	"strings"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/mail/override"
	"portico/shared/mail/template"
)

// ListTemplateVersions is GET /v1/staff/mail-templates/{id}/versions.
var ListTemplateVersions = edge.Global[listVersionsInput, listVersionsOutput]{
	Op: edge.Op{
		ID: "listMailTemplateVersions", Method: http.MethodGet, Path: templatesPath + "/{id}/versions", Function: function, Acts: edge.OnAll,
		Faults:     []*fault.Error{override.ErrNoTemplate},
		Permission: auth.MailRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "List the versions of a mail template",
		Description: "Of one language, the newest first: who saved them and when. Portico's own template is none of them.",
	},
	Handle: listVersions,
}

// CreateTemplateVersion is POST /v1/staff/mail-templates/{id}/versions.
var CreateTemplateVersion = edge.Write[createVersionInput, createdVersionOutput]{
	Op: edge.Op{
		ID: "createMailTemplateVersion", Method: http.MethodPost, Path: templatesPath + "/{id}/versions", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{override.ErrNoTemplate, override.ErrMeanwhile},
		Example:    `{"locale":"de","subject":"Willkommen bei {{.Data.Organization}}","html":"<p class=\"text\">{{.Data.Role}}</p>","text":"{{.Data.Role}}"}`,
		Permission: auth.MailWrite, Cost: 5, Audit: "mail_template_version.create", Status: http.StatusCreated, MaxBody: 512 << 10, Tag: Tag, Summary: "Save a version of a mail template",
		Description: "#createMailTemplateVersion",
	},
	Handle: createVersion,
}

type listVersionsInput struct {
	edge.Page
	TemplatePath
	Locale string `query:"locale" default:"en" maxLength:"35" doc:"The language." example:"de"`
}

type createVersionInput struct {
	TemplatePath
	Body struct {
		Locale  string `json:"locale" maxLength:"35" doc:"The language." example:"de"`
		Subject string `json:"subject" doc:"The subject, at most 1 KiB." example:"Willkommen bei {{.Data.Organization}}"`
		HTML    string `json:"html" doc:"The body as HTML, without the layout around it, at most 128 KiB." example:"<p class=\"text\">{{.Data.Role}}</p>"`
		Text    string `json:"text" doc:"The body as text, at most 128 KiB." example:"{{.Data.Role}}"`
		Note    string `json:"note,omitempty" maxLength:"500" doc:"What the version is about." example:"shorter"`
	}
}

type versionBody struct {
	Version   int         `json:"version" doc:"Its number." example:"3"`
	Published bool        `json:"published" doc:"Whether it is what is sent."`
	Note      string      `json:"note" doc:"What it is about; may be empty." example:"shorter"`
	CreatedAt clock.Stamp `json:"created_at" format:"date-time" doc:"When it was saved."`
	CreatedBy string      `json:"created_by" doc:"Who saved it." example:"Ada"`
}

type (
	listVersionsOutput   struct{ Body edge.List[versionBody] }
	createdVersionOutput struct {
		Location string `header:"Location"`
		Body     TemplateSourceBody
	}
)

func listVersions(c *edge.Call, in *listVersionsInput) (*listVersionsOutput, error) {
	variant, err := variantOf(in.ID, "query.locale", in.Locale)
	if err != nil {
		return nil, err
	}
	list := "mail_template_versions/" + variant.String()
	plain, err := c.TextPosition(list, in.After)
	if err != nil {
		return nil, err
	}
	before := 0
	if plain != "" {
		before = int(binary.BigEndian.Uint32([]byte(plain)))
	}
	current, err := override.Current(c, c.DB.Shared(), variant)
	if err != nil {
		return nil, err
	}
	versions, err := override.List(c, c.DB.Shared(), variant, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	show := func(v override.Version) versionBody {
		return versionBody{v.Number, v.Number == current.Version, v.Note, clock.Stamp(v.CreatedAt), v.By.Name}
	}
	return &listVersionsOutput{Body: edge.ListOf(versions, in.Limit, show, func(last override.Version) *string {
		return c.TextCursor(list, binary.BigEndian.AppendUint32(nil, uint32(last.Number)))
	})}, nil
}

// Resolve hands the input to the frame.
func (in *createVersionInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

// Check renders all samples. What is wrong is a fault that names the part and the
// line.
func (in *createVersionInput) Check(*edge.Call) error {
	b := &in.Body
	b.Subject = strings.TrimSpace(b.Subject)
	b.HTML, b.Text = strings.ReplaceAll(b.HTML, "\r\n", "\n"), strings.ReplaceAll(b.Text, "\r\n", "\n")
	variant, err := variantOf(in.ID, "body.locale", b.Locale)
	if err != nil {
		return err
	}
	set, err := template.Repository()
	if err != nil {
		return err
	}
	_, err = override.Check(set, variant, 0, in.source())
	return fault.Join(err, edge.CheckText("body.note", &b.Note))
}

func (in *createVersionInput) source() template.Source {
	return template.Source{Subject: in.Body.Subject, HTML: in.Body.HTML, Text: in.Body.Text}
}

func createVersion(c *edge.Call, in *createVersionInput) (*createdVersionOutput, error) {
	v, err := override.Insert(c, c.Tx, override.Version{
		Variant: override.Variant{Template: in.ID, Locale: in.Body.Locale}, By: author(c), Note: in.Body.Note, Source: in.source(),
	})
	if err != nil {
		return nil, err
	}
	c.Audit(nil, audit.Fields{"locale": v.Locale, "version": v.Number, "note": v.Note}, target(v.Variant))
	return &createdVersionOutput{Location: templatesPath + "/" + v.Template + "/versions", Body: showVersion(v)}, nil
}

// author returns who calls.
func author(c *edge.Call) override.Author {
	actor := c.Caller.Actor.ID
	return override.Author{ID: actor, Name: c.Caller.Actor.Name}
}

func target(v override.Variant) audit.Target {
	return audit.Target{Type: "mail_template", ID: v.Template}
}

func listed(all []string) string { return strings.Join(all, ", ") }
