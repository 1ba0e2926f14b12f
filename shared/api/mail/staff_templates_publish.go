package mail

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/mail/override"
	"portico/shared/mail/template"
)

// PublishTemplate is POST /v1/staff/mail-templates/{id}/publish.
var PublishTemplate = edge.Write[publishInput, publicationOutput]{
	Op: edge.Op{
		ID: "publishMailTemplate", Method: http.MethodPost, Path: templatesPath + "/{id}/publish", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{override.ErrNoTemplate, override.ErrNoVersion, override.ErrMeanwhile},
		Example:    `{"locale":"de","version":1}`,
		Permission: auth.MailWrite, Cost: 1, Audit: "mail_template.publish", Tag: Tag, Summary: "Publish a version of a mail template",
		Description: "#publishMailTemplate",
	},
	Handle: publish,
}

// RollBackTemplate is POST /v1/staff/mail-templates/{id}/roll-back.
var RollBackTemplate = edge.Write[publishInput, publicationOutput]{
	Op: edge.Op{
		ID: "rollBackMailTemplate", Method: http.MethodPost, Path: templatesPath + "/{id}/roll-back", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{override.ErrNoTemplate, override.ErrNothing, override.ErrMeanwhile},
		Example:    `{"locale":"de","version":1}`,
		Permission: auth.MailWrite, Cost: 1, Audit: "mail_template.roll_back", Tag: Tag, Summary: "Roll a mail template back",
		Description: "#rollBackMailTemplate",
	},
	Handle: rollBack,
}

// ListTemplatePublications is GET /v1/staff/mail-templates/{id}/publications.
var ListTemplatePublications = edge.Global[listPublicationsInput, listPublicationsOutput]{
	Op: edge.Op{
		ID: "listMailTemplatePublications", Method: http.MethodGet, Path: templatesPath + "/{id}/publications", Function: function, Acts: edge.OnAll,
		Faults:     []*fault.Error{override.ErrNoTemplate},
		Permission: auth.MailRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "List what was published of a mail template",
		Description: "Of one language, the newest first: who published or rolled back what and when. The first is in force. At most 100.",
	},
	Handle: listPublications,
}

type publishInput struct {
	TemplatePath
	Body struct {
		Locale  string `json:"locale" maxLength:"35" doc:"The language." example:"de"`
		Version int    `json:"version" minimum:"1" maximum:"999999999" doc:"The number of the version: to roll back, of the one that is sent now." example:"3"`
	}
}

type listPublicationsInput struct {
	TemplatePath
	Locale string `query:"locale" default:"en" maxLength:"35" doc:"The language." example:"de"`
}

type publicationBody struct {
	Locale      string      `json:"locale" doc:"The language." example:"de"`
	Version     *int        `json:"version" doc:"The version that is sent from then on; null: Portico's own template." example:"3"`
	PublishedAt clock.Stamp `json:"published_at" format:"date-time" doc:"When it was published."`
	PublishedBy string      `json:"published_by" doc:"Who published it or rolled back to it." example:"Ada"`
}

type (
	publicationOutput      struct{ Body publicationBody }
	listPublicationsOutput struct {
		Body struct {
			Data []publicationBody `json:"data" nullable:"false" doc:"What was published."`
		}
	}
)

func showPublication(p override.Publication) publicationBody {
	b := publicationBody{Locale: p.Locale, PublishedAt: clock.Stamp(p.PublishedAt), PublishedBy: p.By.Name}
	if p.Version > 0 {
		b.Version = &p.Version
	}
	return b
}

func publish(c *edge.Call, in *publishInput) (*publicationOutput, error) {
	variant, err := variantOf(in.ID, "body.locale", in.Body.Locale)
	if err != nil {
		return nil, err
	}
	v, err := override.Get(c, c.Tx, variant, in.Body.Version)
	if err != nil {
		return nil, err
	}
	set, err := template.Repository()
	if err != nil {
		return nil, err
	}
	if _, err := override.Check(set, variant, v.Number, v.Source); err != nil {
		return nil, fault.InvalidField("body.version", "can no longer be used: "+why(err))
	}
	before, err := override.Current(c, c.Tx, variant)
	if err != nil {
		return nil, err
	}
	after, err := override.Publish(c, c.Tx, before, v.Number, author(c))
	return published(c, before, after, err)
}

func rollBack(c *edge.Call, in *publishInput) (*publicationOutput, error) {
	variant, err := variantOf(in.ID, "body.locale", in.Body.Locale)
	if err != nil {
		return nil, err
	}
	before, err := override.Current(c, c.Tx, variant)
	if err != nil {
		return nil, err
	}
	if before.Version > 0 && before.Version != in.Body.Version {
		return nil, override.ErrMeanwhile
	}
	after, err := override.RollBack(c, c.Tx, before, author(c))
	return published(c, before, after, err)
}

func published(c *edge.Call, before, after override.Publication, err error) (*publicationOutput, error) {
	if err != nil {
		return nil, err
	}
	fields := func(p override.Publication) audit.Fields {
		return audit.Fields{"locale": p.Locale, "version": override.NameOf(p.Version)}
	}
	c.Audit(fields(before), fields(after), target(after.Variant))
	return &publicationOutput{Body: showPublication(after)}, nil
}

// why returns the fields of a fault as one text.
func why(err error) string {
	f := fault.Of(err)
	if f == nil || len(f.Fields) == 0 {
		return err.Error()
	}
	return f.Fields[0].Name + ": " + f.Fields[0].Message
}

func listPublications(c *edge.Call, in *listPublicationsInput) (*listPublicationsOutput, error) {
	variant, err := variantOf(in.ID, "query.locale", in.Locale)
	if err != nil {
		return nil, err
	}
	list, err := override.Publications(c, c.DB.Shared(), variant, 100)
	out := &listPublicationsOutput{}
	out.Body.Data = []publicationBody{}
	for _, p := range list {
		out.Body.Data = append(out.Body.Data, showPublication(p))
	}
	return out, err
}
