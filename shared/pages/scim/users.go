package scim

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"portico/shared/directory"
	"portico/shared/id"
	"portico/shared/mail"
)

const userSchema = "urn:ietf:params:scim:schemas:core:2.0:User"

var userShape = shape{
	single: []string{"userName", "externalId", "displayName", "active"}, complex: []string{"name"}, lists: []string{"emails"},
	fixed: []string{"id", "meta", "groups", "schemas"},
}

// userAttributes are what a filter can compare.
var userAttributes = map[string]func(*directory.Find) **string{
	"id":                           func(f *directory.Find) **string { return &f.ID },
	"username":                     func(f *directory.Find) **string { return &f.Name },
	"externalid":                   func(f *directory.Find) **string { return &f.ExternalID },
	"displayname":                  func(f *directory.Find) **string { return &f.DisplayName },
	"emails":                       func(f *directory.Find) **string { return &f.Email },
	"emails.value":                 func(f *directory.Find) **string { return &f.Email },
	`emails[type eq "work"].value`: func(f *directory.Find) **string { return &f.Email },
}

// showUser returns a person as a resource.
func showUser(in request) func(directory.User) object {
	return func(u directory.User) object {
		groups := []object{}
		for _, g := range u.Groups {
			groups = append(groups, object{"value": g.ID.String(), "display": g.Name, "type": "direct", "$ref": in.base + "/Groups/" + g.ID.String()})
		}
		name := object{}
		for key, value := range map[string]string{"givenName": u.GivenName, "familyName": u.FamilyName, "formatted": strings.TrimSpace(u.GivenName + " " + u.FamilyName)} {
			if value != "" {
				name[key] = value
			}
		}
		o := object{
			"schemas": []string{userSchema}, "id": u.ID.String(), "userName": u.UserName, "name": name, "active": u.Active,
			"emails": []object{{"value": u.Email, "type": "work", "primary": true}}, "groups": groups,
			"meta": meta("User", in.base+"/Users/"+u.ID.String(), u.CreatedAt, u.UpdatedAt),
		}
		optional(o, "externalId", u.ExternalID)
		optional(o, "displayName", u.DisplayName)
		return o
	}
}

func optional(o object, name, value string) {
	if value != "" {
		o[name] = value
	}
}

func meta(kind, location string, created, changed time.Time) object {
	return object{"resourceType": kind, "location": location, "created": created.UTC().Format(time.RFC3339Nano), "lastModified": changed.UTC().Format(time.RFC3339Nano)}
}

// readUser reads a resource.
func readUser(o object) (u directory.User, err error) {
	name, isObject := get(o, "name").(object)
	if get(o, "name") != nil && !isObject {
		return u, invalid("invalidValue", "name must be an object.")
	}
	for _, field := range []struct {
		to   *string
		from object
		name string
		most int
	}{
		{&u.UserName, o, "userName", 254}, {&u.ExternalID, o, "externalId", 254}, {&u.DisplayName, o, "displayName", 200},
		{&u.GivenName, name, "givenName", 200}, {&u.FamilyName, name, "familyName", 200},
	} {
		if *field.to, err = text(field.from, field.name, field.most); err != nil {
			return u, err
		}
	}
	if u.UserName == "" {
		return u, invalid("invalidValue", "userName is required.")
	}
	if u.Active, err = truth(o, "active", true); err != nil {
		return u, err
	}
	u.Email, err = addressIn(o, u.UserName)
	return u, err
}

// addressIn returns the address of a person: the primary one, that of work, the first one, or
// else the user name.
func addressIn(o object, userName string) (string, error) {
	list, err := objects(o, "emails")
	if err != nil {
		return "", err
	}
	var primary, work, first string
	for _, one := range list {
		value, err := text(one, "value", 254)
		if err != nil {
			return "", err
		}
		isPrimary, err := truth(one, "primary", false)
		if err != nil {
			return "", err
		}
		if isPrimary {
			primary = cmp.Or(primary, value)
		}
		if kind, _ := get(one, "type").(string); strings.EqualFold(kind, "work") {
			work = cmp.Or(work, value)
		}
		first = cmp.Or(first, value)
	}
	address := mail.CleanAddress(cmp.Or(primary, work, first, userName))
	if address == "" {
		return "", invalid("invalidValue", "emails needs an address, or userName must be one.")
	}
	return address, nil
}

func listUsers(ctx context.Context, d *directory.Open, in request, _ object) (reply, error) {
	p, err := pageOf(in.URL.Query())
	if err != nil {
		return reply{}, err
	}
	wanted, err := findOf(in.URL.Query(), userAttributes)
	if err != nil {
		return reply{}, err
	}
	users, total, err := d.Users(ctx, wanted, p.skip, p.limit)
	return listed(users, total, p, showUser(in)), err
}

func createUser(ctx context.Context, d *directory.Open, in request, body object) (reply, error) {
	u, err := readUser(body)
	if err != nil {
		return reply{}, err
	}
	u, err = d.AddUser(ctx, u)
	return reply{http.StatusCreated, in.base + "/Users/" + u.ID.String(), showUser(in)(u)}, err
}

// userOf returns the person in the path.
func userOf(ctx context.Context, d *directory.Open, in request) (directory.User, error) {
	wanted, err := id.Parse[id.DirectoryUser](in.id)
	if err != nil {
		return directory.User{}, directory.ErrNoUser
	}
	return d.User(ctx, wanted)
}

func getUser(ctx context.Context, d *directory.Open, in request, _ object) (reply, error) {
	u, err := userOf(ctx, d, in)
	return reply{status: http.StatusOK, body: showUser(in)(u)}, err
}

func replaceUser(ctx context.Context, d *directory.Open, in request, body object) (reply, error) {
	return changeUser(ctx, d, in, func(directory.User) (object, error) { return body, nil })
}

func patchUser(ctx context.Context, d *directory.Open, in request, body object) (reply, error) {
	return changeUser(ctx, d, in, func(u directory.User) (object, error) {
		o := object{
			"userName": u.UserName, "externalId": u.ExternalID, "displayName": u.DisplayName, "active": u.Active,
			"name": object{"givenName": u.GivenName, "familyName": u.FamilyName}, "emails": []any{object{"value": u.Email, "type": "work", "primary": true}},
		}
		return o, userShape.apply(o, body)
	})
}

func changeUser(ctx context.Context, d *directory.Open, in request, change func(directory.User) (object, error)) (reply, error) {
	before, err := userOf(ctx, d, in)
	if err != nil {
		return reply{}, err
	}
	o, err := change(before)
	if err != nil {
		return reply{}, err
	}
	after, err := readUser(o)
	if err != nil {
		return reply{}, err
	}
	after.ID = before.ID
	after, err = d.ChangeUser(ctx, after)
	return reply{status: http.StatusOK, body: showUser(in)(after)}, err
}

func deleteUser(ctx context.Context, d *directory.Open, in request, _ object) (reply, error) {
	u, err := userOf(ctx, d, in)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, d.RemoveUser(ctx, u.ID)
}
