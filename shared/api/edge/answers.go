package edge

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/idempotency"
	"portico/shared/org"
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
		list = append(list, answersOf(false, errNoKey, apikey.ErrUnknown, errNoPermission, errRateLimited)...)
	}
	switch {
	case op.Permission == auth.Public:
	case op.Acts.StaffOnly():
		list = append(list, answersOf(true, errStaffOnly)...)
	default:
		list = append(list, answersOf(false, org.ErrNotFound)...)
	}
	if op.Audit != "" {
		list = append(list, answersOf(false, idempotency.ErrReused, idempotency.ErrInUse)...)
	}
	list = append(list, answersOf(true, op.Faults...)...)
	slices.SortStableFunc(list, func(a, b Answer) int { return strings.Compare(a.Code, b.Code) })
	return slices.CompactFunc(list, func(a, b Answer) bool { return a.Code == b.Code })
}
