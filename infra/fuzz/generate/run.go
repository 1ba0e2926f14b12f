package generate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

// Caller has an API key.
type Caller struct {
	Key string
	Org string // the organization that its requests are about
	Own string // the id of the key; "" if no request can name it
}

// The callers, in descriptions of requests.
const (
	customerName = "a customer"
	staffName    = "staff"
)

// Run sends generated requests and judges the replies.
type Run struct {
	Document        *Document
	Send            func(Request) (Reply, error)
	Customer, Staff Caller
	Foreign         []byte   // texts with the ids of another organization
	Marker          string   // is in the other organization's data and nowhere else
	Secrets         []string // texts that no reply may show
	Seed            uint64
	Progress        func(done int, statuses map[int]int) // after each request; may be nil

	judge           judge
	customer, staff *maker
	foreign         []string // ids
	Statuses        map[int]int
	Succeeded       map[string]int // operations → successes
}

// Failure is a reply that is wrong.
type Failure struct {
	Number  int // of the request
	Faults  []string
	Request Request
	Reply   Reply
}

// String describes the failure, so that it can be repeated.
func (f Failure) String() string {
	return fmt.Sprintf("request %d: %s\n%sanswered %d %s %s", f.Number, strings.Join(f.Faults, "; "), f.Request, f.Reply.Status, f.Reply.Header.Get("X-Request-Id"), short(string(f.Reply.Body)))
}

// Do sends this many requests and returns those with a wrong reply, one of each
// kind and at most most.
func (r *Run) Do(requests, most int) (failures []Failure) {
	r.begin()
	seen := map[string]bool{}
	for n := range requests {
		q := r.next(n)
		if q.Operation == nil || r.harmful(q) {
			continue
		}
		if f := r.try(n, q); f != nil && !seen[f.kind()] {
			seen[f.kind()] = true
			if failures = append(failures, *f); len(failures) == most {
				return failures
			}
		}
		if r.Progress != nil {
			r.Progress(n+1, r.Statuses)
		}
	}
	return failures
}

// kind is the same for failures with probably the same cause.
func (f Failure) kind() string {
	fault, _, _ := strings.Cut(f.Faults[0], "\n")
	return fmt.Sprint(f.Request.Operation.ID, f.Reply.Status, fault)
}

func (r *Run) begin() {
	random := rand.New(rand.NewPCG(r.Seed, 0))
	r.customer = &maker{Document: r.Document, random: random, world: newWorld()}
	r.staff = &maker{Document: r.Document, random: random, world: newWorld()}
	r.foreign = slices.Compact(slices.Sorted(slices.Values(idInText.FindAllString(string(r.Foreign), -1))))
	for _, m := range []*maker{r.customer, r.staff} {
		m.world.hide(r.Foreign)
		m.world.hide([]byte(r.Customer.Org + " " + r.Customer.Own))
	}
	secrets := append(slices.Clone(r.Secrets), r.Customer.Key, r.Staff.Key)
	r.judge = judge{Document: r.Document, secrets: secrets, foreign: append(slices.Clone(r.foreign), r.Marker)}
	r.Statuses, r.Succeeded = map[int]int{}, map[string]int{}
}

// next makes a request. The first ones are valid: twice every operation that makes
// something or lists, so that there are things to work with.
func (r *Run) next(n int) Request {
	operations := r.Document.Operations
	start := slices.DeleteFunc(slices.Clone(operations), func(o *Operation) bool {
		return strings.Contains(o.Path, "{") || o.Method != http.MethodGet && o.Method != http.MethodPost
	})
	if n < 2*len(start) {
		o := start[n%len(start)]
		return r.valid(o, o.StaffOnly)
	}
	o := pick(r.customer.random, operations)
	q := r.valid(o, o.StaffOnly || r.customer.chance(15))
	if r.customer.chance(35) {
		return q
	}
	return r.broken(q)
}

// makerFor returns the maker that knows the ids which an operation takes: those of
// the customer's organization, also for staff who act on it, or the platform's.
func (r *Run) makerFor(o *Operation) *maker {
	if o.StaffOnly {
		return r.staff
	}
	return r.customer
}

// valid makes a request that its operation should accept.
func (r *Run) valid(o *Operation, asStaff bool) Request {
	q := Request{Operation: o, Case: "valid", As: customerName, Method: o.Method}
	m, key := r.makerFor(o), r.Customer.Key
	if asStaff {
		key, q.As = r.Staff.Key, staffName
	}
	q.Target = m.path(o)
	if strings.HasPrefix(o.Path, "/v1/organizations/{id}") && !asStaff {
		q.Target = strings.Replace(o.Path, "{id}", r.Customer.Org, 1)
	}
	if query := m.query(o); query != "" {
		q.Target += "?" + query
	}
	if o.Keyed {
		q.set("Authorization", "Bearer "+key)
	}
	if asStaff && !o.StaffOnly {
		q.set("Portico-Organization", r.Customer.Org)
	}
	if o.Method != http.MethodGet && m.chance(20) {
		m.made++
		q.set("Idempotency-Key", fmt.Sprintf("k%d", m.made))
	}
	if body := m.body(o); body != nil {
		q.set("Content-Type", "application/json")
		q.Body = encode(body)
	}
	return q
}

// broken makes a valid request a broken or an odd one.
func (r *Run) broken(q Request) Request {
	m, list := r.makerFor(q.Operation), attacks
	switch {
	case q.Operation.StaffOnly && m.chance(15):
		q.As, q.Case, q.MustBeDenied = customerName, "a customer's key for an operation of staff", true
		q.set("Authorization", "Bearer "+r.Customer.Key)
		return q
	case q.As == customerName && q.Operation.Keyed && m.chance(20):
		return r.foreignRequest(q)
	case q.Operation.Keyed && m.chance(10):
		list = keyAttacks
	case len(q.Body) > 0 && m.chance(65):
		list = bodyAttacks
	}
	a := pick(m.random, list)
	q.Case = a.name
	a.do(m, &q)
	return q
}

// foreignRequest names what belongs to another organization: in the path, the query,
// the body or the header.
func (r *Run) foreignRequest(q Request) Request {
	m, id := r.customer, pick(r.customer.random, r.foreign)
	q.Case = "another organization's " + id
	if m.chance(20) {
		id = r.foreign[slices.IndexFunc(r.foreign, func(id string) bool { return strings.HasPrefix(id, "org_") })]
		q.set("Portico-Organization", id)
		q.MustBeDenied = true
		return q
	}
	of := func(prefix string) string {
		same := slices.DeleteFunc(slices.Clone(r.foreign), func(id string) bool { return !strings.HasPrefix(id, prefix+"_") })
		if len(same) == 0 {
			return id
		}
		return pick(m.random, same)
	}
	for _, p := range q.Operation.Parameters {
		if prefix := prefixOf(p.Schema); p.In == "path" && prefix != "" {
			m.replaceID(&q, of(prefix))
			q.MustBeDenied = true
			return q
		}
	}
	if idInText.Match(q.Body) {
		q.Body = idInText.ReplaceAllFunc(q.Body, func(old []byte) []byte {
			prefix, _, _ := strings.Cut(string(old), "_")
			return []byte(of(prefix))
		})
		return q
	}
	for _, p := range q.Operation.Parameters {
		if prefix := prefixOf(p.Schema); p.In == "query" && strings.HasSuffix(p.Name, "_id") {
			path, _, _ := strings.Cut(q.Target, "?")
			q.Target = path
			q.addQuery(p.Name, of(prefix))
		}
	}
	return q
}

// harmful reports whether a request could end the run: it deletes the customer's
// organization, or changes the customer's key.
func (r *Run) harmful(q Request) bool {
	reads := q.Method == http.MethodGet || q.Method == http.MethodHead
	return !reads && (r.Customer.Own != "" && strings.Contains(q.Target, r.Customer.Own) || strings.Contains(q.Target, r.Customer.Org) && q.Method != http.MethodPatch)
}

// try sends a request, judges the reply, and learns from it.
func (r *Run) try(n int, q Request) *Failure {
	reply, err := r.Send(q)
	if err != nil {
		return &Failure{Number: n, Faults: []string{err.Error()}, Request: q}
	}
	r.Statuses[reply.Status]++
	if faults := r.judge.faults(q, reply); len(faults) > 0 {
		return &Failure{Number: n, Faults: faults, Request: q, Reply: reply}
	}
	if reply.Status < 300 && q.Method == q.Operation.Method && q.Operation.Keyed {
		r.Succeeded[q.Operation.ID]++
		r.makerFor(q.Operation).world.learn(q.Operation, reply.Body)
	}
	return nil
}

// Summary says how many requests got which status, and which operations never
// succeeded.
func (r *Run) Summary() string {
	var out strings.Builder
	all := 0
	for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
		fmt.Fprintf(&out, "%6d answered %d\n", r.Statuses[status], status)
		all += r.Statuses[status]
	}
	var never []string
	keyed := 0
	for _, o := range r.Document.Operations {
		if o.Keyed {
			keyed++
			if r.Succeeded[o.ID] == 0 {
				never = append(never, o.ID)
			}
		}
	}
	fmt.Fprintf(&out, "%6d in all (seed %d); %d of %d operations with a key succeeded", all, r.Seed, keyed-len(never), keyed)
	if len(never) > 0 {
		fmt.Fprintf(&out, ", not: %s", strings.Join(never, " "))
	}
	return out.String()
}
