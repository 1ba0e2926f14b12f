package mail

import (
	"net/http"
	"reflect"
	"strconv"
	"time"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/mail/override"
	"portico/shared/mail/template"
)

const templatesPath = "/v1/staff/mail-templates"

// ListTemplates is GET /v1/staff/mail-templates.
var ListTemplates = edge.Global[struct{}, listTemplatesOutput]{
	Op: edge.Op{
		ID: "listMailTemplates", Method: http.MethodGet, Path: templatesPath, Function: function, Acts: edge.OnAll,
		Permission: auth.MailRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "List the mail templates",
		Description: "All of them, with what is published in each language.",
	},
	Handle: listTemplates,
}

// GetTemplate is GET /v1/staff/mail-templates/{id}.
var GetTemplate = edge.Global[TemplatePath, templateOutput]{
	Op: edge.Op{
		ID: "getMailTemplate", Method: http.MethodGet, Path: templatesPath + "/{id}", Function: function, Acts: edge.OnAll,
		Faults:     []*fault.Error{override.ErrNoTemplate},
		Permission: auth.MailRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "Get a mail template",
		Description: "With the values that it may show, and its samples.",
	},
	Handle: getTemplate,
}

// GetTemplateSource is GET /v1/staff/mail-templates/{id}/source.
var GetTemplateSource = edge.Global[TemplateVersionInput, templateSourceOutput]{
	Op: edge.Op{
		ID: "getMailTemplateSource", Method: http.MethodGet, Path: templatesPath + "/{id}/source", Function: function, Acts: edge.OnAll,
		Faults:     []*fault.Error{override.ErrNoTemplate, override.ErrNoVersion},
		Permission: auth.MailRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "Get a version of a mail template",
		Description: "What it says, as it was written.",
	},
	Handle: getTemplateSource,
}

// TemplatePath names a template.
type TemplatePath struct {
	ID string `path:"id" maxLength:"100" doc:"The template's name." example:"member_added"`
}

// TemplateVersionInput names a version of a template.
type TemplateVersionInput struct {
	TemplatePath
	Locale  string `query:"locale" default:"en" maxLength:"35" doc:"The language." example:"de"`
	Version string `query:"version" default:"published" pattern:"^(repository|published|[1-9][0-9]{0,8})$" patternDescription:"published, repository or the number of a version" doc:"The number of a version; published: what is sent now; repository: what Portico's own template says." example:"3"`
}

type templateFieldBody struct {
	Path string `json:"path" doc:"How a template writes it." example:".Data.Organization"`
	Type string `json:"type" enum:"text,number,boolean,time,texts" doc:"What it is. texts: a list of texts."`
}

type templateSampleBody struct {
	Name string         `json:"name" doc:"What it shows." example:"by a person"`
	Data map[string]any `json:"data" doc:"The data, by the names that templates write." example:"{\"Organization\":\"Acme\"}"`
}

type templateLocaleBody struct {
	Locale      string       `json:"locale" doc:"The language." example:"de"`
	Published   *int         `json:"published" doc:"The version that is sent; null: Portico's own template." example:"3"`
	PublishedAt *clock.Stamp `json:"published_at" format:"date-time" doc:"When that was published; null: never."`
	PublishedBy *string      `json:"published_by" doc:"Who published it; null: nobody." example:"Ada"`
	Problem     *string      `json:"problem" doc:"Why the published version can no longer be used, so that Portico's own template is sent; null: it can." example:"html: line 3: .Data.Nothing: there is no Nothing"`
}

// TemplateBody is a template with what is published.
type TemplateBody struct {
	Name     string               `json:"name" doc:"Its name." example:"member_added"`
	Stream   string               `json:"stream" enum:"product,marketing" doc:"product: people wait for it. marketing: they do not."`
	Category string               `json:"category" doc:"What a person unsubscribes from; empty for critical mail, which everybody gets." example:"webhooks"`
	Locales  []templateLocaleBody `json:"locales" nullable:"false" doc:"The languages that a mail can be in."`
	Samples  []templateSampleBody `json:"samples" nullable:"false" doc:"Data to show it with."`
	Fields   []templateFieldBody  `json:"fields" nullable:"false" doc:"The values that it may show."`
}

// TemplateSourceBody is what a version says.
type TemplateSourceBody struct {
	Template  string       `json:"template" doc:"The template's name." example:"member_added"`
	Locale    string       `json:"locale" doc:"The language." example:"de"`
	Version   *int         `json:"version" doc:"The number of the version; null: Portico's own template, which is the same in all languages." example:"3"`
	Subject   string       `json:"subject" doc:"The subject." example:"Willkommen bei {{.Data.Organization}}"`
	HTML      string       `json:"html" doc:"The body as HTML, without the layout around it." example:"<p class=\"text\">{{.Data.Role}}</p>"`
	Text      string       `json:"text" doc:"The body as text." example:"{{.Data.Role}}"`
	Note      string       `json:"note" doc:"What the version is about; may be empty." example:"shorter"`
	CreatedAt *clock.Stamp `json:"created_at" format:"date-time" doc:"When it was saved; null: it is Portico's own."`
	CreatedBy *string      `json:"created_by" doc:"Who saved it; null: it is Portico's own." example:"Ada"`
}

type (
	listTemplatesOutput struct {
		Body struct {
			Data []TemplateBody `json:"data" nullable:"false" doc:"The templates."`
		}
	}
	templateOutput       struct{ Body TemplateBody }
	templateSourceOutput struct{ Body TemplateSourceBody }
)

func listTemplates(c *edge.Call, _ *struct{}) (*listTemplatesOutput, error) {
	out := &listTemplatesOutput{}
	current, err := override.AllCurrent(c, c.DB.Shared())
	if err != nil {
		return nil, err
	}
	for _, t := range template.All() {
		body, err := showTemplate(c, t, current)
		if err != nil {
			return nil, err
		}
		out.Body.Data = append(out.Body.Data, body)
	}
	return out, nil
}

func getTemplate(c *edge.Call, in *TemplatePath) (*templateOutput, error) {
	t, err := override.Find(in.ID)
	if err != nil {
		return nil, err
	}
	current, err := override.AllCurrent(c, c.DB.Shared())
	if err != nil {
		return nil, err
	}
	body, err := showTemplate(c, t, current)
	return &templateOutput{Body: body}, err
}

func showTemplate(c *edge.Call, t *template.Template, current map[override.Variant]override.Publication) (TemplateBody, error) {
	b := TemplateBody{Name: t.Name, Stream: string(t.Stream), Category: t.Category}
	for _, f := range t.Fields() {
		b.Fields = append(b.Fields, templateFieldBody(f))
	}
	for _, s := range t.Samples {
		b.Samples = append(b.Samples, templateSampleBody{s.Name, dataOf(s)})
	}
	set, err := template.Repository()
	if err != nil {
		return b, err
	}
	for _, locale := range set.Locales() {
		shown := templateLocaleBody{Locale: locale}
		p := current[override.Variant{Template: t.Name, Locale: locale}]
		if p.Number > 0 {
			shown.PublishedAt, shown.PublishedBy = new(clock.Stamp(p.PublishedAt)), &p.By.Name
		}
		if p.Version > 0 {
			shown.Published = &p.Version
			if shown.Problem, err = problemOf(c, set, p); err != nil {
				return b, err
			}
		}
		b.Locales = append(b.Locales, shown)
	}
	return b, nil
}

// dataOf returns the data of a sample.
func dataOf(s template.Sample) map[string]any {
	data, v := map[string]any{}, reflect.ValueOf(s.Data)
	for i := range v.NumField() {
		value := v.Field(i).Interface()
		if at, ok := value.(time.Time); ok {
			value = clock.Stamp(at)
		}
		data[v.Type().Field(i).Name] = value
	}
	return data
}

// problemOf returns why a published version can no longer be used, or nil.
func problemOf(c *edge.Call, set *template.Set, p override.Publication) (*string, error) {
	v, err := override.Get(c, c.DB.Shared(), p.Variant, p.Version)
	if err != nil {
		return nil, err
	}
	_, err = override.Check(set, p.Variant, p.Version, v.Source)
	f := fault.Of(err)
	switch {
	case err == nil:
		return nil, nil
	case f == nil || len(f.Fields) == 0:
		return nil, err
	}
	return new(f.Fields[0].Name + ": " + f.Fields[0].Message), nil
}

func getTemplateSource(c *edge.Call, in *TemplateVersionInput) (*templateSourceOutput, error) {
	v, err := in.read(c)
	return &templateSourceOutput{Body: showVersion(v)}, err
}

func showVersion(v override.Version) TemplateSourceBody {
	b := TemplateSourceBody{
		Template: v.Template, Locale: v.Locale, Subject: v.Source.Subject, HTML: v.Source.HTML, Text: v.Source.Text, Note: v.Note,
	}
	if v.Number > 0 {
		b.Version, b.CreatedAt, b.CreatedBy = &v.Number, new(clock.Stamp(v.CreatedAt)), &v.By.Name
	}
	return b
}

// read returns the version that a request names; its number is 0 for the
// repository's.
func (in *TemplateVersionInput) read(c *edge.Call) (v override.Version, err error) {
	variant, err := variantOf(in.ID, "query.locale", in.Locale)
	if err != nil {
		return v, err
	}
	return readVersion(c, variant, in.Version)
}

// variantOf checks the name of a template and a language.
func variantOf(name, field, locale string) (override.Variant, error) {
	v := override.Variant{Template: name, Locale: locale}
	if _, err := override.Find(name); err != nil {
		return v, err
	}
	set, err := template.Repository()
	if err == nil && set.Nearest(locale) != locale {
		err = fault.InvalidField(field, "must be one of "+listed(set.Locales()))
	}
	return v, err
}

func readVersion(c *edge.Call, variant override.Variant, named string) (v override.Version, err error) {
	number := 0
	switch named {
	case "repository":
	case "published":
		p, err := override.Current(c, c.DB.Shared(), variant)
		if err != nil {
			return v, err
		}
		number = p.Version
	default:
		if number, err = strconv.Atoi(named); err != nil {
			return v, err
		}
	}
	if number > 0 {
		return override.Get(c, c.DB.Shared(), variant, number)
	}
	set, err := template.Repository()
	if err != nil {
		return v, err
	}
	v.Variant = variant
	v.Source, err = set.Source(template.Named(variant.Template))
	return v, err
}
