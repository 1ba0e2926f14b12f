package api

import (
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docs is what the documentation page shows.
type docs struct {
	Title, Version, About string
	Groups                []docsGroup
	Codes                 []docsCode
}

type docsGroup struct {
	Name       string
	Operations []docsOperation
}

type docsOperation struct {
	ID, Method, Path, Summary, Description string
	Parameters, Request, Reply             []docsField
	Status                                 string
}

type docsField struct {
	Name, Type, Doc string
	Required        bool
}

type docsCode struct{ Code, Status, Meaning string }

var docsFuncs = template.FuncMap{"paragraphs": func(s string) []string { return strings.Split(s, "\n\n") }}

// docsOf arranges the description by tag, in the registry's order.
func docsOf(api *huma.OpenAPI) docs {
	d := docs{Title: api.Info.Title, Version: api.Info.Version, About: strings.ReplaceAll(api.Info.Description, "`", ""), Codes: docsCodes()}
	for _, o := range All() {
		op := o.Meta()
		i := slices.IndexFunc(d.Groups, func(g docsGroup) bool { return g.Name == op.Tag })
		if i < 0 {
			i = len(d.Groups)
			d.Groups = append(d.Groups, docsGroup{Name: op.Tag})
		}
		d.Groups[i].Operations = append(d.Groups[i].Operations, docsOperationOf(api, op))
	}
	return d
}

func docsOperationOf(api *huma.OpenAPI, op Op) docsOperation {
	described := operationAt(api, op)
	out := docsOperation{
		ID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary,
		Description: strings.ReplaceAll(described.Description, "`", ""),
	}
	for _, p := range described.Parameters {
		out.Parameters = append(out.Parameters, docsField{
			Name: p.Name, Type: p.In + " · " + typeName(p.Schema), Required: p.Required, Doc: p.Description,
		})
	}
	if described.RequestBody != nil {
		out.Request = docsFields(api, described.RequestBody.Content["application/json"], "")
	}
	for status, response := range described.Responses {
		if strings.HasPrefix(status, "2") {
			out.Status = status
			out.Reply = docsFields(api, response.Content["application/json"], "")
		}
	}
	return out
}

func docsFields(api *huma.OpenAPI, media *huma.MediaType, prefix string) []docsField {
	if media == nil {
		return nil
	}
	return schemaFields(api, media.Schema, prefix)
}

// schemaFields lists a schema's members, those of objects in lists below them.
func schemaFields(api *huma.OpenAPI, schema *huma.Schema, prefix string) []docsField {
	schema = resolve(api, schema)
	if schema == nil {
		return nil
	}
	var names []string
	for name := range schema.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	var fields []docsField
	for _, name := range names {
		property := schema.Properties[name]
		fields = append(fields, docsField{
			Name: prefix + name, Type: typeName(property), Doc: property.Description,
			Required: slices.Contains(schema.Required, name),
		})
		if property.Items != nil {
			fields = append(fields, schemaFields(api, property.Items, prefix+name+"[].")...)
		}
	}
	return fields
}

func typeName(schema *huma.Schema) string {
	name := schema.Type
	switch {
	case schema.Ref != "" || name == "object":
		name = "object"
	case name == "":
		name = "any JSON"
	case name == "array":
		name = "list"
	case schema.Format != "":
		name = schema.Format
	case len(schema.Enum) > 0:
		name = "one of"
		for _, v := range schema.Enum {
			if text, ok := v.(string); ok { // the other one is null
				name += " " + text
			}
		}
	}
	if schema.Nullable {
		name += " or null"
	}
	return name
}

// docsCodes explains every code that a problem may have.
func docsCodes() []docsCode {
	var out []docsCode
	for _, c := range []struct {
		code    string
		status  int
		meaning string
	}{
		{"malformed_request", 400, "The body is not JSON in UTF-8, or a name stands twice in one object."},
		{"api_key_missing", 401, "There is no Authorization header of the form Bearer ptc_…"},
		{"api_key_invalid", 401, "The key is mistyped, unknown, expired, revoked, or not to be used from this address."},
		{"permission_missing", 403, "The key lacks the permission that the detail names."},
		{"staff_only", 403, "Only staff may do this: an API key acts on its own organization alone."},
		{"grant_exceeded", 403, "Nobody gives or takes what they do not have themselves: the detail names what the key that called lacks."},
		{"api_key_not_found", 404, "Your organization has no API key with this id."},
		{"no_such_route", 404, "Nothing answers at this method and path."},
		{"webhook_endpoint_not_found", 404, "Your organization has no webhook endpoint with this id."},
		{"event_not_found", 404, "Your organization has no event with this id."},
		{"delivery_not_found", 404, "Your organization has no delivery with this id."},
		{"organization_not_found", 404, "There is no organization with this id, or your key cannot enter it."},
		{"member_not_found", 404, "Your organization has no member with this id."},
		{"role_not_found", 404, "Your organization has no role with this id."},
		{"resource_grant_not_found", 404, "Your organization has no resource grant with this id."},
		{"resource_not_found", 404, "Your organization has no resource with this id."},
		{"domain_not_found", 404, "Your organization has no domain with this id."},
		{"body_timeout", 408, "The body did not arrive in time."},
		{"idempotency_key_reused", 409, "The Idempotency-Key was used with another request in the last 24 hours."},
		{"idempotency_key_in_use", 409, "The first request with this Idempotency-Key has not ended yet: send it again."},
		{"api_key_ended", 409, "The API key has expired or was revoked: create another one."},
		{"api_key_replaced", 409, "The API key was rotated before: replaced_by names its successor."},
		{"too_many_api_keys", 409, "The organization has as many API keys that work as it may have."},
		{"too_many_webhook_endpoints", 409, "The organization has as many webhook endpoints as it may have."},
		{"organization_exists", 409, "The Idempotency-Key made an organization more than 24 hours ago."},
		{"version_mismatch", 409, "The organization has changed since you read it."},
		{"member_exists", 409, "Somebody with this e-mail address is a member already."},
		{"last_owner", 409, "The last owner stays owner and member."},
		{"too_many_members", 409, "The organization has as many members as it may have."},
		{"role_is_predefined", 409, "Predefined roles cannot be changed."},
		{"role_in_use", 409, "Members have the role."},
		{"role_name_taken", 409, "Another role has this name."},
		{"too_many_roles", 409, "The organization has as many roles of its own as it may have."},
		{"resource_grant_exists", 409, "The member has this grant already."},
		{"too_many_resource_grants", 409, "The member has as many resource grants as one may have."},
		{"domain_exists", 409, "Your organization has this domain already."},
		{"domain_taken", 409, "Another organization holds this domain."},
		{"domain_unproven", 409, "DNS does not show the domain's TXT record: the detail says what it shows."},
		{"too_many_domains", 409, "The organization has as many domains as it may have."},
		{"body_too_large", 413, "The body, or the data of an event, is larger than accepted."},
		{"unsupported_media_type", 415, "The body is not sent as application/json."},
		{"invalid_request", 422, "A field is wrong: errors names each and says what is expected."},
		{"internal", 500, "A defect on our side. Tell support the request id."},
		{"dns_unavailable", 503, "DNS did not answer. Verify the domain again."},
		{"unavailable", 503, "A store is away for the moment. Send the request again with the same Idempotency-Key."},
	} {
		out = append(out, docsCode{c.code, strconv.Itoa(c.status) + " " + http.StatusText(c.status), c.meaning})
	}
	return out
}
