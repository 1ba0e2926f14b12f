package organizations

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/hostname"
	"portico/shared/id"
)

// CreateDomain is POST /v1/domains.
var CreateDomain = edge.Write[createDomainInput, createdDomainOutput]{
	Op: edge.Op{
		ID: "createDomain", Method: http.MethodPost, Path: "/v1/domains", Function: function,
		Faults:     []*fault.Error{hostname.ErrExists, hostname.ErrTaken, hostname.ErrTooMany},
		Example:    `{"name":"app.example.com"}`,
		Permission: auth.DomainsWrite, Cost: 1, Audit: "domain.create", Status: http.StatusCreated, Tag: Tag, Summary: "Add a domain",
		Description: "#createDomain",
	},
	Handle: createDomain,
}

// ListDomains is GET /v1/domains.
var ListDomains = edge.Read[edge.Page, listDomainsOutput]{
	Op: edge.Op{
		ID: "listDomains", Method: http.MethodGet, Path: "/v1/domains", Function: function,
		Permission: auth.DomainsRead, Cost: 1, Access: "domain.read", Tag: Tag, Summary: "List domains",
	},
	Handle: listDomains,
}

// GetDomain is GET /v1/domains/{id}.
var GetDomain = edge.Read[DomainPath, domainOutput]{
	Op: edge.Op{
		ID: "getDomain", Method: http.MethodGet, Path: "/v1/domains/{id}", Function: function,
		Faults:     []*fault.Error{hostname.ErrNotFound},
		Permission: auth.DomainsRead, Cost: 1, Access: "domain.read", Tag: Tag, Summary: "Get a domain",
	},
	Handle: getDomain,
}

// VerifyDomain is POST /v1/domains/{id}/verify.
var VerifyDomain = edge.Write[DomainPath, domainOutput]{
	Op: edge.Op{
		ID: "verifyDomain", Method: http.MethodPost, Path: "/v1/domains/{id}/verify", Function: function,
		Faults:     []*fault.Error{hostname.ErrNotFound, hostname.ErrTaken, hostname.ErrUnproven, hostname.ErrDNSAway},
		Permission: auth.DomainsWrite, Cost: 5, Audit: "domain.verify", Tag: Tag, Summary: "Verify a domain",
		Description: "#verifyDomain",
	},
	Handle: verifyDomain,
}

// DeleteDomain is DELETE /v1/domains/{id}.
var DeleteDomain = edge.Write[DomainPath, struct{}]{
	Op: edge.Op{
		ID: "deleteDomain", Method: http.MethodDelete, Path: "/v1/domains/{id}", Function: function,
		Faults:     []*fault.Error{hostname.ErrNotFound},
		Permission: auth.DomainsWrite, Cost: 1, Audit: "domain.delete", Status: http.StatusNoContent, Tag: Tag, Summary: "Delete a domain",
		Description: "#deleteDomain",
	},
	Handle: deleteDomain,
}

// DomainPath names a domain.
type DomainPath struct {
	ID id.Domain `path:"id" doc:"The domain's id." example:"dom_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type domainRecord struct {
	Type  string `json:"type" enum:"TXT" doc:"The type of the DNS record."`
	Name  string `json:"name" example:"_portico.portal.example.com" doc:"The name of the DNS record."`
	Value string `json:"value" example:"portico-verification=7J3Z…" doc:"The value of the DNS record. It changes if the domain is deleted and added again."`
}

type domainBody struct {
	ID         id.Domain     `json:"id" doc:"The domain's id." example:"dom_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Name       string        `json:"name" example:"portal.example.com" doc:"The host name."`
	Status     string        `json:"status" enum:"pending,verified" doc:"verified: requests to this host act on your organization."`
	Record     *domainRecord `json:"record,omitempty" doc:"The DNS record that verifies the domain; absent for a subdomain of ours."`
	VerifiedAt *clock.Stamp  `json:"verified_at" format:"date-time" doc:"When the domain was verified; null if it is not."`
	CreatedAt  clock.Stamp   `json:"created_at" format:"date-time" doc:"When the domain was added."`
}

type domainOutput struct{ Body domainBody }

type listDomainsOutput struct{ Body edge.List[domainBody] }

type createDomainInput struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"253" doc:"A host name. Names with characters beyond ASCII are stored as punycode." example:"portal.example.com"`
	}
}

type createdDomainOutput struct {
	Location string `header:"Location"`
	Body     domainBody
}

func showDomain(c *edge.Call, d hostname.Domain) domainBody {
	b := domainBody{ID: d.ID, Name: d.Name, Status: "pending", VerifiedAt: clock.StampOf(d.VerifiedAt), CreatedAt: clock.Stamp(d.CreatedAt)}
	if d.VerifiedAt != nil {
		b.Status = "verified"
	}
	if !hostname.IsSubdomain(d.Name, c.Hosts.Base) {
		name, value := d.Record()
		b.Record = &domainRecord{Type: "TXT", Name: name, Value: value}
	}
	return b
}

func domainFields(d hostname.Domain) audit.Fields {
	return audit.Fields{"name": d.Name, "verified_at": clock.StampOf(d.VerifiedAt)}
}

func domainTarget(d hostname.Domain) audit.Target { return audit.Of("domain", d.ID) }

func createDomain(c *edge.Call, in *createDomainInput) (*createdDomainOutput, error) {
	name, err := hostname.ParseName(in.Body.Name, c.Hosts.Base)
	if err != nil {
		return nil, fault.InvalidField("body.name", err.Error())
	}
	d := hostname.New(name, c.Now())
	if err := c.Hosts.Add(c, c.Tx, c.Org, d); err != nil {
		return nil, err
	}
	c.Audit(nil, domainFields(d), domainTarget(d))
	return &createdDomainOutput{Location: "/v1/domains/" + d.ID.String(), Body: showDomain(c, d)}, nil
}

func listDomains(c *edge.Call, in *edge.Page) (*listDomainsOutput, error) {
	var after id.Domain
	if err := c.Position("domains", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	domains, err := hostname.List(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	show := func(d hostname.Domain) domainBody { return showDomain(c, d) }
	return &listDomainsOutput{Body: edge.ListOf(domains, in.Limit, show, func(last hostname.Domain) *string {
		return c.Cursor("domains", last.ID.UUID)
	})}, nil
}

func getDomain(c *edge.Call, in *DomainPath) (*domainOutput, error) {
	d, err := hostname.Get(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	return &domainOutput{Body: showDomain(c, d)}, nil
}

func verifyDomain(c *edge.Call, in *DomainPath) (*domainOutput, error) {
	before, after, err := c.Hosts.Verify(c, c.Tx, c.Org, in.ID, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(domainFields(before), domainFields(after), domainTarget(after))
	return &domainOutput{Body: showDomain(c, after)}, nil
}

func deleteDomain(c *edge.Call, in *DomainPath) (*struct{}, error) {
	d, err := c.Hosts.Delete(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	c.Audit(domainFields(d), nil, domainTarget(d))
	return nil, nil
}
