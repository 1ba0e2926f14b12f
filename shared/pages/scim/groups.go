package scim

import (
	"context"
	"errors"
	"net/http"

	"portico/shared/directory"
	"portico/shared/id"
	"portico/shared/member"
)

const groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"

var groupShape = shape{
	single: []string{"displayName", "externalId"}, lists: []string{"members"}, fixed: []string{"id", "meta", "schemas"},
}

var groupAttributes = map[string]func(*directory.Find) **string{
	"id":            func(f *directory.Find) **string { return &f.ID },
	"displayname":   func(f *directory.Find) **string { return &f.Name },
	"externalid":    func(f *directory.Find) **string { return &f.ExternalID },
	"members":       func(f *directory.Find) **string { return &f.Member },
	"members.value": func(f *directory.Find) **string { return &f.Member },
}

// showGroup returns a group as a resource; whole: with its members.
func showGroup(in request, whole bool) func(directory.Group) object {
	return func(g directory.Group) object {
		o := object{
			"schemas": []string{groupSchema}, "id": g.ID.String(), "displayName": g.DisplayName,
			"meta": meta("Group", in.base+"/Groups/"+g.ID.String(), g.CreatedAt, g.UpdatedAt),
		}
		optional(o, "externalId", g.ExternalID)
		if whole {
			members := []object{}
			for _, one := range g.Members {
				members = append(members, object{"value": one.String(), "type": "User", "$ref": in.base + "/Users/" + one.String()})
			}
			o["members"] = members
		}
		return o
	}
}

// readGroup reads a resource.
func readGroup(o object) (g directory.Group, err error) {
	if g.DisplayName, err = text(o, "displayName", 254); err != nil {
		return g, err
	}
	if g.DisplayName == "" {
		return g, invalid("invalidValue", "displayName is required.")
	}
	if g.ExternalID, err = text(o, "externalId", 254); err != nil {
		return g, err
	}
	members, err := objects(o, "members")
	if err == nil && len(members) > member.Most {
		err = invalid("tooMany", "A group has too many members.")
	}
	for _, one := range members {
		value, _ := get(one, "value").(string)
		user, wrong := id.Parse[id.DirectoryUser](value)
		if wrong != nil {
			return g, errMember
		}
		g.Members = append(g.Members, user)
	}
	return g, err
}

var errMember = invalid("invalidValue", "members: the directory has no user with this id.")

func listGroups(ctx context.Context, d *directory.Open, in request, _ object) (reply, error) {
	p, err := pageOf(in.URL.Query())
	if err != nil {
		return reply{}, err
	}
	wanted, err := findOf(in.URL.Query(), groupAttributes)
	if err != nil {
		return reply{}, err
	}
	whole := !without(in, "members")
	groups, total, err := d.Groups(ctx, wanted, p.skip, p.limit, whole)
	return listed(groups, total, p, showGroup(in, whole)), err
}

func createGroup(ctx context.Context, d *directory.Open, in request, body object) (reply, error) {
	g, err := readGroup(body)
	if err != nil {
		return reply{}, err
	}
	g, err = d.AddGroup(ctx, g)
	return reply{http.StatusCreated, in.base + "/Groups/" + g.ID.String(), showGroup(in, true)(g)}, unknownMember(err)
}

// unknownMember returns the refusal of a member who is not in the directory.
func unknownMember(err error) error {
	if errors.Is(err, directory.ErrNoUser) {
		return errMember
	}
	return err
}

// groupOf returns the group in the path.
func groupOf(ctx context.Context, d *directory.Open, in request) (directory.Group, error) {
	wanted, err := id.Parse[id.DirectoryGroup](in.id)
	if err != nil {
		return directory.Group{}, directory.ErrNoGroup
	}
	return d.Group(ctx, wanted)
}

func getGroup(ctx context.Context, d *directory.Open, in request, _ object) (reply, error) {
	g, err := groupOf(ctx, d, in)
	return reply{status: http.StatusOK, body: showGroup(in, !without(in, "members"))(g)}, err
}

func replaceGroup(ctx context.Context, d *directory.Open, in request, body object) (reply, error) {
	return changeGroup(ctx, d, in, func(directory.Group) (object, error) { return body, nil })
}

func patchGroup(ctx context.Context, d *directory.Open, in request, body object) (reply, error) {
	return changeGroup(ctx, d, in, func(g directory.Group) (object, error) {
		members := []any{}
		for _, one := range g.Members {
			members = append(members, object{"value": one.String()})
		}
		o := object{"displayName": g.DisplayName, "externalId": g.ExternalID, "members": members}
		return o, groupShape.apply(o, body)
	})
}

func changeGroup(ctx context.Context, d *directory.Open, in request, change func(directory.Group) (object, error)) (reply, error) {
	before, err := groupOf(ctx, d, in)
	if err != nil {
		return reply{}, err
	}
	o, err := change(before)
	if err != nil {
		return reply{}, err
	}
	after, err := readGroup(o)
	if err != nil {
		return reply{}, err
	}
	after.ID = before.ID
	after, err = d.ChangeGroup(ctx, after)
	return reply{status: http.StatusOK, body: showGroup(in, !without(in, "members"))(after)}, unknownMember(err)
}

func deleteGroup(ctx context.Context, d *directory.Open, in request, _ object) (reply, error) {
	g, err := groupOf(ctx, d, in)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, d.RemoveGroup(ctx, g.ID)
}
