package edge

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/idempotency"
	"portico/shared/member"
	"portico/shared/oauth"
	"portico/shared/observe"
	"portico/shared/org"
	"portico/shared/staff"
)

const ProblemType = "application/problem+json"

// Answer is a problem that an operation can answer.
type Answer struct {
	Status       int
	Code, Detail string
	Own          bool // specific to the operation
}

func answersOf(own bool, faults ...*fault.Error) (list []Answer) {
	for _, f := range faults {
		list = append(list, Answer{statusFor(f.Kind), f.Code, detailOf(f), own})
	}
	return list
}

// Answers lists every problem that an operation can answer: those of the frame,
// and the faults that the operation declares.
func Answers(op Op, takesBody bool) []Answer {
	statuses := []int{http.StatusUnprocessableEntity}
	if takesBody {
		statuses = slices.Sorted(maps.Keys(refusals))
	}
	list := answersOf(false, errInternal, fault.ErrAway)
	for _, status := range statuses {
		list = append(list, Answer{Status: status, Code: refusals[status].code, Detail: refusals[status].detail})
	}
	if op.Permission != auth.Public {
		list = append(list, answersOf(false, errNoKey, apikey.ErrUnknown, oauth.ErrToken, member.ErrRemoved, staff.ErrNotStaff, errNoPermission, errRateLimited)...)
		if op.Method != http.MethodGet {
			list = append(list, answersOf(true, errReadOnly)...)
		}
	}
	switch {
	case op.Permission == auth.Public:
	case op.Acts == OnChosen, op.Acts == OnNamed, op.Acts == OnClosed:
		list = append(list, answersOf(true, errStaffOnly, org.ErrNotFound)...)
	case op.Acts == OnSelf:
		list = append(list, answersOf(true, errNotSelf, errNoAccount)...)
	case op.Acts.StaffOnly():
		list = append(list, answersOf(true, errStaffOnly)...)
	default:
		list = append(list, answersOf(true, org.ErrNotFound)...)
	}
	if op.Fresh {
		list = append(list, answersOf(true, errNotFresh)...)
	}
	if op.Audit != "" && op.Acts != OnSelf {
		list = append(list, answersOf(false, idempotency.ErrReused, idempotency.ErrInUse)...)
	}
	list = append(list, answersOf(true, op.Faults...)...)
	list = append(list, answersOf(true, challengeFaults(op)...)...)
	slices.SortStableFunc(list, func(a, b Answer) int { return strings.Compare(a.Code, b.Code) })
	return slices.CompactFunc(list, func(a, b Answer) bool { return a.Code == b.Code })
}

// Code is a code that problems can have, for the documentation.
type Code struct {
	Code    string
	Status  int
	Meaning string
}

var (
	wrongMethod = Code{Code: "method_not_allowed", Status: http.StatusMethodNotAllowed, Meaning: "The path exists, but not with this method: `Allow` lists the methods that it has."}
	wrongPath   = Code{Code: "no_such_route", Status: http.StatusNotFound, Meaning: "No operation has this path."}
)

// Codes returns the codes of all packages in the program with their meaning,
// sorted by status and then by name.
func Codes() []Code {
	list := []Code{wrongMethod, wrongPath}
	for status, r := range refusals {
		if r.meaning != "" {
			list = append(list, Code{r.code, status, r.meaning})
		}
	}
	for _, c := range fault.Codes() {
		list = append(list, Code{c.Code, statusFor(c.Kind), c.Meaning})
	}
	slices.SortFunc(list, func(a, b Code) int { return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Code, b.Code)) })
	return list
}

var errNotThroughEdge = fault.New(fault.Denied, "not_through_edge", "Send the request to the API's public address.").
	Means("The request was sent around the API's public address, to API Gateway itself. Send it to the public address.")

// RefuseDirect answers a request that has not come through CloudFront, for any
// handler.
func RefuseDirect(w http.ResponseWriter, r *http.Request) {
	guard(w.Header())
	w.Header().Set(RequestIDHeader, observe.RequestID(r.Context()))
	refuse(w, problem(r.Context(), statusFor(errNotThroughEdge.Kind), errNotThroughEdge.Code, errNotThroughEdge.Detail))
}
