package staff

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/staff"
)

// List is GET /v1/staff/users.
var List = edge.Read[struct{}, peopleOutput]{
	Op: edge.Op{
		ID: "listStaff", Method: http.MethodGet, Path: "/v1/staff/users", Function: function, Acts: edge.OnPlatform,
		Permission: auth.StaffRead, Cost: 1, Access: "staff.read", Tag: Tag, Summary: "List who is staff",
		Description: "Also those who are not any more. There are 1,000 at most.",
	},
	Handle: listPeople,
}

// Set is POST /v1/staff/users.
var Set = edge.Write[setInput, personOutput]{
	Op: edge.Op{
		ID: "setStaff", Method: http.MethodPost, Path: "/v1/staff/users", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{errOneself},
		Example:    `{"email":"grace@example.com","name":"Grace Hopper","level":"support"}`,
		Permission: auth.StaffWrite, Fresh: true, Cost: 1, Audit: "staff.set", Tag: Tag, Summary: "Make somebody staff",
		Description: "#setStaff",
	},
	Handle: set,
}

// Disable is POST /v1/staff/users/{id}/disable.
var Disable = edge.Write[personPath, personOutput]{
	Op: edge.Op{
		ID: "disableStaff", Method: http.MethodPost, Path: "/v1/staff/users/{id}/disable", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{errOneself, staff.ErrNotFound},
		Permission: auth.StaffWrite, Fresh: true, Cost: 1, Audit: "staff.disable", Tag: Tag, Summary: "End that somebody is staff",
		Description: "Within ten seconds nothing that they have opened lets them in. Whoever was disabled before stays so.",
	},
	Handle: disable,
}

var errOneself = fault.New(fault.Denied, "own_level", "Nobody decides about themselves. Ask another admin.").
	Means("Nobody decides about their own level.")

type personPath struct {
	ID id.User `path:"id" doc:"The person's id." example:"usr_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type setInput struct {
	Body struct {
		Email string `json:"email" minLength:"3" maxLength:"254" example:"grace@example.com" doc:"The address with which the person has signed up, and which they have proven."`
		Name  string `json:"name" minLength:"1" maxLength:"200" example:"Grace Hopper" doc:"What audit logs call the person."`
		Level string `json:"level" enum:"support,operator,admin" example:"support" doc:"What the person may do."`
	}
}

type staffPersonBody struct {
	ID         id.User      `json:"id" doc:"The person's id." example:"usr_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Name       string       `json:"name" doc:"What audit logs call the person." example:"Grace Hopper"`
	Level      string       `json:"level" enum:"support,operator,admin" doc:"What the person may do." example:"support"`
	CreatedAt  clock.Stamp  `json:"created_at" format:"date-time" doc:"Since when."`
	DisabledAt *clock.Stamp `json:"disabled_at" format:"date-time" doc:"Since when the person is not staff any more; null: they are."`
}

type personOutput struct{ Body staffPersonBody }

type peopleOutput struct{ Body edge.List[staffPersonBody] }

func showPerson(p staff.Person) staffPersonBody {
	return staffPersonBody{ID: p.User, Name: p.Name, Level: string(p.Level), CreatedAt: clock.Stamp(p.CreatedAt), DisabledAt: clock.StampOf(p.DisabledAt)}
}

func listPeople(c *edge.Call, _ *struct{}) (*peopleOutput, error) {
	all, err := staff.All(c, c.Tx)
	return &peopleOutput{edge.ListOf(all, len(all), showPerson, nil)}, err
}

func set(c *edge.Call, in *setInput) (*personOutput, error) {
	b := in.Body
	user, err := staff.Find(c, c.Tx, b.Email)
	switch {
	case err != nil:
		return nil, err
	case user == c.Caller.User:
		return nil, errOneself
	}
	before, after, err := staff.Set(c, c.Tx, user, b.Name, staff.Level(b.Level), c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(before.Fields(), after.Fields(), audit.Of("user", user))
	return &personOutput{showPerson(after)}, nil
}

func disable(c *edge.Call, in *personPath) (*personOutput, error) {
	if in.ID == c.Caller.User {
		return nil, errOneself
	}
	before, after, err := staff.Disable(c, c.Tx, in.ID, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(before.Fields(), after.Fields(), audit.Of("user", in.ID))
	return &personOutput{showPerson(after)}, nil
}
