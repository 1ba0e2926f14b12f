package mail

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/mail"
	"portico/shared/mail/override"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
)

// PreviewTemplate is GET /v1/staff/mail-templates/{id}/preview.
var PreviewTemplate = edge.Global[previewInput, previewOutput]{
	Op: edge.Op{
		ID: "previewMailTemplate", Method: http.MethodGet, Path: templatesPath + "/{id}/preview", Function: function, Acts: edge.OnAll,
		Faults:     []*fault.Error{override.ErrNoTemplate, override.ErrNoVersion},
		Permission: auth.MailRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "Preview a version of a mail template",
		Description: "The mail that a version makes of a sample: HTML, text and source.",
	},
	Handle: preview,
}

// DiffTemplate is GET /v1/staff/mail-templates/{id}/diff.
var DiffTemplate = edge.Global[diffInput, diffOutput]{
	Op: edge.Op{
		ID: "diffMailTemplate", Method: http.MethodGet, Path: templatesPath + "/{id}/diff", Function: function, Acts: edge.OnAll,
		Faults:     []*fault.Error{override.ErrNoTemplate, override.ErrNoVersion},
		Permission: auth.MailRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "Compare two versions of a mail template",
		Description: "Line by line. Parts that are equal have no lines.",
	},
	Handle: diff,
}

// SendTestMail is POST /v1/staff/mail-templates/{id}/test.
var SendTestMail = edge.Write[testMailInput, testMailOutput]{
	Op: edge.Op{
		ID: "sendTestMail", Method: http.MethodPost, Path: templatesPath + "/{id}/test", Function: function, Acts: edge.OnNamed,
		Faults:     []*fault.Error{override.ErrNoTemplate, override.ErrNoVersion, mail.ErrTooManyTests},
		Example:    `{"locale":"de","version":"published","to":"ada@example.com"}`,
		Permission: auth.MailWrite, Cost: 5, Audit: "mail_template.test", AddsJobs: true, Status: http.StatusAccepted, Tag: Tag, Summary: "Send a test mail",
		Description: "#sendTestMail",
	},
	Handle: sendTest,
}

type previewInput struct {
	TemplateVersionInput
	Sample string `query:"sample" maxLength:"100" doc:"The name of a sample; without it the first." example:"by a person"`
}

type diffInput struct {
	TemplatePath
	Locale string `query:"locale" default:"en" maxLength:"35" doc:"The language." example:"de"`
	From   string `query:"from" default:"repository" pattern:"^(repository|published|[1-9][0-9]{0,8})$" patternDescription:"published, repository or the number of a version" doc:"The older version." example:"repository"`
	To     string `query:"to" default:"published" pattern:"^(repository|published|[1-9][0-9]{0,8})$" patternDescription:"published, repository or the number of a version" doc:"The newer version." example:"3"`
}

type testMailInput struct {
	TemplatePath
	Body struct {
		Locale  string `json:"locale" maxLength:"35" doc:"The language." example:"de"`
		Version string `json:"version" pattern:"^(repository|published|[1-9][0-9]{0,8})$" patternDescription:"published, repository or the number of a version" doc:"The version, as for a preview." example:"3"`
		Sample  string `json:"sample,omitempty" maxLength:"100" doc:"The name of a sample; without it the first." example:"by a person"`
		To      string `json:"to" maxLength:"320" doc:"The mail address." example:"ada@example.com"`
	}
}

type lineBody struct {
	Change string `json:"change" enum:"removed,added,kept" doc:"What became of the line."`
	Text   string `json:"text" doc:"The line." example:"<p class=\"text\">{{.Data.Role}}</p>"`
}

type (
	previewOutput struct {
		Body struct {
			Version *int   `json:"version" doc:"The number of the version; null: Portico's own template." example:"3"`
			Locale  string `json:"locale" doc:"The language." example:"de"`
			Sample  string `json:"sample" doc:"The name of the sample." example:"by a person"`
			Subject string `json:"subject" doc:"The subject." example:"Willkommen bei Acme"`
			HTML    string `json:"html" doc:"The page." example:"<!DOCTYPE html><html lang=\"de\">…</html>"`
			Text    string `json:"text" doc:"The text." example:"Ihre Rolle ist Developer."`
			Source  string `json:"source" doc:"The mail as it goes over the wire." example:"Subject: Willkommen bei Acme\r\n…"`
		}
	}
	diffOutput struct {
		Body struct {
			From    *int       `json:"from" doc:"The number of the older version; null: Portico's own template." example:"2"`
			To      *int       `json:"to" doc:"The number of the newer version; null: Portico's own template." example:"3"`
			Subject []lineBody `json:"subject" nullable:"false" doc:"The lines of the subject."`
			HTML    []lineBody `json:"html" nullable:"false" doc:"The lines of the HTML."`
			Text    []lineBody `json:"text" nullable:"false" doc:"The lines of the text."`
		}
	}
	testMailOutput struct {
		Body struct {
			ID id.Mail `json:"id" doc:"The mail's id in the log." example:"mail_01jdf3z9k2e4nv6xq8r0s1t2v3"`
		}
	}
)

// sampleOf returns the sample of a name, or the first one.
func sampleOf(t *template.Template, field, name string) (template.Sample, error) {
	var names []string
	for _, s := range t.Samples {
		if s.Name == name || name == "" {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return template.Sample{}, fault.InvalidField(field, "must be one of "+listed(names))
}

func preview(c *edge.Call, in *previewInput) (*previewOutput, error) {
	v, err := in.read(c)
	if err != nil {
		return nil, err
	}
	t := template.Named(v.Template)
	sample, err := sampleOf(t, "query.sample", in.Sample)
	if err != nil {
		return nil, err
	}
	frame := template.SampleFrames(t)[0]
	r, err := render(v, sample, frame)
	if err != nil {
		return nil, err
	}
	source, err := transport.Message{
		ID: id.Derive[id.Mail]("preview").String(), At: c.Now(), From: transport.Address{Name: frame.Brand.Name, Address: "notices@mail.example.com"},
		To: transport.Address{Address: "ada@example.org"}, Subject: r.Subject, HTML: r.HTML, Text: r.Text, Unsubscribe: frame.Unsubscribe,
	}.MIME()
	if err != nil {
		return nil, err
	}
	out := &previewOutput{}
	b := &out.Body
	b.Version, b.Locale, b.Sample = showVersion(v).Version, v.Locale, sample.Name
	b.Subject, b.HTML, b.Text, b.Source = r.Subject, r.HTML, r.Text, string(source)
	return out, nil
}

// render renders a sample with a version.
func render(v override.Version, sample template.Sample, frame template.Frame) (template.Rendered, error) {
	set, err := template.Repository()
	if err != nil {
		return template.Rendered{}, err
	}
	if v.Number == 0 {
		return set.Render(template.Content{Template: template.Named(v.Template), Data: sample.Data}, v.Locale, frame)
	}
	o, err := override.Check(set, v.Variant, v.Number, v.Source)
	if err != nil {
		return template.Rendered{}, fault.InvalidField("query.version", "can no longer be used: "+why(err))
	}
	return o.Render(sample.Data, frame)
}

func diff(c *edge.Call, in *diffInput) (*diffOutput, error) {
	variant, err := variantOf(in.ID, "query.locale", in.Locale)
	if err != nil {
		return nil, err
	}
	from, err := readVersion(c, variant, in.From)
	if err != nil {
		return nil, err
	}
	to, err := readVersion(c, variant, in.To)
	if err != nil {
		return nil, err
	}
	out := &diffOutput{}
	b := &out.Body
	b.From, b.To = showVersion(from).Version, showVersion(to).Version
	b.Subject = lines(from.Source.Subject, to.Source.Subject)
	b.HTML, b.Text = lines(from.Source.HTML, to.Source.HTML), lines(from.Source.Text, to.Source.Text)
	return out, nil
}

func lines(from, to string) []lineBody {
	all := []lineBody{}
	if from == to {
		return all
	}
	for _, l := range override.Diff(from, to) {
		all = append(all, lineBody{map[string]string{"-": "removed", "+": "added", "": "kept"}[l.Change], l.Text})
	}
	return all
}

func sendTest(c *edge.Call, in *testMailInput) (*testMailOutput, error) {
	if c.Org.IsZero() {
		return nil, fault.InvalidField("header.Portico-Organization", "must name the organization in whose look the mail is made")
	}
	variant, err := variantOf(in.ID, "body.locale", in.Body.Locale)
	if err != nil {
		return nil, err
	}
	t := template.Named(in.ID)
	sample, err := sampleOf(t, "body.sample", in.Body.Sample)
	if err != nil {
		return nil, err
	}
	v, err := readVersion(c, variant, in.Body.Version)
	if err != nil {
		return nil, err
	}
	out := &testMailOutput{}
	actor := c.Caller.Actor.ID
	out.Body.ID, err = mail.SendTest(c, c.Tx, c.Box, c.Now(), c.Org, actor, mail.Mail{
		To: transport.Address{Address: in.Body.To}, Locale: variant.Locale, Content: template.Content{Template: t, Data: sample.Data}, Test: &mail.Test{Version: v.Number},
	})
	c.Audit(nil, audit.Fields{"locale": v.Locale, "version": override.NameOf(v.Number), "to": in.Body.To}, target(variant), audit.Of("mail", out.Body.ID))
	return out, err
}
