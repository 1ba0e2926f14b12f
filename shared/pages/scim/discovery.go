package scim

import (
	"net/http"
)

// describe answers what the provider may ask about the server itself.
func describe(in request) (reply, error) {
	one := func(o object) (reply, error) { return reply{status: http.StatusOK, body: o}, nil }
	list := map[string][]object{"Schemas": schemas(in), "ResourceTypes": resourceTypes(in)}[in.kind]
	switch {
	case in.kind == "ServiceProviderConfig" && in.id == "":
		return one(config(in))
	case in.id == "":
		return listed(list, int64(len(list)), page{}, func(o object) object { return o }), nil
	}
	for _, o := range list {
		if o["id"] == in.id {
			return one(o)
		}
	}
	return reply{}, errPath
}

func config(in request) object {
	no := object{"supported": false}
	return object{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":   object{"supported": true}, "bulk": object{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter": object{"supported": true, "maxResults": pageMost}, "changePassword": no, "sort": no, "etag": no,
		"authenticationSchemes": []object{{
			"type": "oauthbearertoken", "name": "Bearer token", "description": "The token of the directory, in the header Authorization.", "primary": true,
		}},
		"meta": object{"resourceType": "ServiceProviderConfig", "location": in.base + "/ServiceProviderConfig"},
	}
}

func resourceTypes(in request) []object {
	of := func(name, endpoint, schema string) object {
		return object{
			"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"}, "id": name, "name": name, "endpoint": endpoint, "schema": schema,
			"schemaExtensions": []object{}, "meta": object{"resourceType": "ResourceType", "location": in.base + "/ResourceTypes/" + name},
		}
	}
	return []object{of("User", "/Users", userSchema), of("Group", "/Groups", groupSchema)}
}

func schemas(in request) []object {
	of := func(id, name string, attributes ...object) object {
		return object{
			"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Schema"}, "id": id, "name": name, "description": name,
			"attributes": attributes, "meta": object{"resourceType": "Schema", "location": in.base + "/Schemas/" + id},
		}
	}
	return []object{
		of(userSchema, "User",
			attribute("userName", "string", object{"required": true, "uniqueness": "server"}), attribute("displayName", "string", nil), attribute("active", "boolean", nil),
			attribute("name", "complex", object{"subAttributes": []object{
				attribute("givenName", "string", nil), attribute("familyName", "string", nil), attribute("formatted", "string", object{"mutability": "readOnly"}),
			}}),
			attribute("emails", "complex", object{"multiValued": true, "subAttributes": []object{
				attribute("value", "string", nil), attribute("type", "string", nil), attribute("primary", "boolean", nil),
			}}),
			attribute("groups", "complex", object{"multiValued": true, "mutability": "readOnly", "subAttributes": []object{
				attribute("value", "string", object{"mutability": "readOnly"}), attribute("display", "string", object{"mutability": "readOnly"}),
				attribute("type", "string", object{"mutability": "readOnly"}), attribute("$ref", "reference", object{"mutability": "readOnly", "referenceTypes": []string{"Group"}}),
			}})),
		of(groupSchema, "Group",
			attribute("displayName", "string", object{"required": true, "uniqueness": "server"}),
			attribute("members", "complex", object{"multiValued": true, "subAttributes": []object{
				attribute("value", "string", object{"mutability": "immutable"}), attribute("type", "string", object{"mutability": "immutable"}),
				attribute("$ref", "reference", object{"mutability": "immutable", "referenceTypes": []string{"User"}}),
			}})),
	}
}

// attribute describes an attribute; other has what differs from most.
func attribute(name, kind string, other object) object {
	a := object{
		"name": name, "type": kind, "description": name, "multiValued": false, "required": false, "caseExact": false,
		"mutability": "readWrite", "returned": "default", "uniqueness": "none",
	}
	for key, value := range other {
		a[key] = value
	}
	return a
}
