// Package staff knows the people who run Portico, and into which organizations they may
// look for a while. They sign in with their own account; what they may do depends on
// their level.
package staff

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/cache"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// Level says what a person of staff may do.
type Level string

// The levels, the least powerful first.
const (
	Support  Level = "support"  // reads everything but the payloads of events
	Operator Level = "operator" // does everything, also suspends people
	Admin    Level = "admin"    // also decides who is staff
)

// Levels returns them, the least powerful first.
func Levels() []Level { return []Level{Support, Operator, Admin} }

// Permissions returns what a person of the level may do in the organizations that are open
// to them, and on the platform.
func (l Level) Permissions() auth.Set {
	switch l {
	case Admin:
		return auth.AllOfStaff()
	case Operator:
		return append(auth.All(), auth.UsersRead, auth.UsersWrite)
	case Support:
		return append(slices.DeleteFunc(Reads(), func(p auth.Permission) bool { return p == auth.EventsRead }), auth.UsersRead)
	}
	return nil
}

// Reads returns the permissions that only read, and that to end an own access.
func Reads() auth.Set {
	return slices.DeleteFunc(auth.All(), func(p auth.Permission) bool {
		return !strings.HasSuffix(string(p), ":read") && p != auth.StaffAccessWrite
	})
}

// MayImpersonate reports whether a person of the level may look at an organization as one
// of its members.
func (l Level) MayImpersonate() bool { return l == Operator || l == Admin }

// ErrNotStaff is returned for a caller who is not staff any more.
var ErrNotStaff = fault.New(fault.Unauthenticated, "not_staff", "You are not staff any more.").
	Means("The person who calls does not run Portico any more.")

// ErrNotFound is returned for a person who never was staff.
var ErrNotFound = fault.New(fault.NotFound, "staff_not_found", "Nobody of staff has this id.").
	Means("Nobody of staff has this id.")

// Person is somebody of staff.
type Person struct {
	User       id.User
	Name       string
	Level      Level
	CreatedAt  time.Time
	DisabledAt *time.Time // nil: the person is staff
}

// Fields returns what the audit log shows of a person; nil: they are not staff.
func (p Person) Fields() audit.Fields {
	if p.User.IsZero() || p.DisabledAt != nil {
		return nil
	}
	return audit.Fields{"name": p.Name, "level": string(p.Level)}
}

const columns = `user_id AS "user", name, level, created_at, disabled_at`

// Get returns a person of staff, or ErrNotStaff. It runs in a transaction at home.
func Get(ctx context.Context, tx pg.Tx, user id.User) (Person, error) {
	return pg.One[Person](ctx, tx, "staff.Get", ErrNotStaff, `SELECT `+columns+` FROM staff WHERE user_id = $1 AND disabled_at IS NULL`, user)
}

// All returns those who are or were staff, the oldest first, 1,000 at most. It runs in a
// transaction at home.
func All(ctx context.Context, tx pg.Tx) ([]Person, error) {
	return pg.List[Person](ctx, tx, "staff.All", `SELECT `+columns+` FROM staff ORDER BY created_at, user_id LIMIT 1000`)
}

// Find returns who has proven an address, or ErrNoAccount. It runs in a transaction at home.
func Find(ctx context.Context, tx pg.Tx, email string) (id.User, error) {
	user, err := pg.Value[*id.User](ctx, tx, "staff.Find", `SELECT person_of($1)`, email)
	if err != nil || user == nil {
		return id.User{}, cmp.Or(err, error(ErrNoAccount))
	}
	return *user, nil
}

// Set makes a person staff, with a name and level, or changes them. It returns the person as
// they were before; zero: not staff. It runs in a transaction at home.
func Set(ctx context.Context, tx pg.Tx, user id.User, name string, level Level, now time.Time) (before, after Person, err error) {
	if before, err = lock(ctx, tx, user); err != nil && !errors.Is(err, ErrNotFound) {
		return before, after, err
	}
	if before.DisabledAt != nil {
		before = Person{}
	}
	after, err = pg.One[Person](ctx, tx, "staff.Set", ErrNotFound, `
		INSERT INTO staff (user_id, name, level, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, level = excluded.level, disabled_at = NULL
		RETURNING `+columns, user, name, level, now)
	return before, after, err
}

// Disable ends that a person is staff, and returns them as they were before and are, or
// ErrNotFound. It runs in a transaction at home.
func Disable(ctx context.Context, tx pg.Tx, user id.User, now time.Time) (before, after Person, err error) {
	before, err = lock(ctx, tx, user)
	if err != nil || before.DisabledAt != nil {
		return before, before, err
	}
	after = before
	after.DisabledAt = &now
	return before, after, pg.Exec(ctx, tx, "staff.Disable", `UPDATE staff SET disabled_at = $2 WHERE user_id = $1`, user, now)
}

// lock returns a person who is or was staff, and keeps the row as it is, or ErrNotFound.
func lock(ctx context.Context, tx pg.Tx, user id.User) (Person, error) {
	return pg.One[Person](ctx, tx, "staff.lock", ErrNotFound, `SELECT `+columns+` FROM staff WHERE user_id = $1 FOR UPDATE`, user)
}

// ErrNoAccount is returned for an address that nobody has proven.
var ErrNoAccount = fault.InvalidField("email", "must be an address with which somebody has signed up and that they have proven")

// knownFor is how long an environment relies on a person's level, and knownAtMost of how
// many people it knows it.
const (
	knownFor    = 5 * time.Second
	knownAtMost = 1_000
)

// People knows the levels of staff. It reads each once in five seconds.
type People struct {
	db    *pg.DB
	clock *clock.Clock
	known *cache.Cache[id.User, Person]
}

// NewPeople returns the people of staff.
func NewPeople(db *pg.DB, clock *clock.Clock) *People {
	return &People{db: db, clock: clock, known: cache.New[id.User, Person](knownAtMost, knownFor)}
}

// Of returns a person of staff, or ErrNotStaff.
func (p *People) Of(ctx context.Context, user id.User) (person Person, err error) {
	now := p.clock.Now()
	if known, fresh := p.known.Get(user, now); fresh {
		return known, nil
	}
	err = p.db.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		person, err = Get(ctx, tx, user)
		return err
	})
	if err == nil {
		p.known.Put(user, person, now)
	}
	return person, err
}
