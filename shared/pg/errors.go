package pg

import (
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE codes and classes, from the PostgreSQL manual, appendix A.
const (
	uniqueViolation = "23505"
	lockTimeout     = "55P03"
)

// readOnly is the answer to a write if the server is no longer the writer.
const readOnly = "25006"

// endStates end a session: the server shuts down, or no longer accepts writes.
var endStates = []string{
	"57P01", "57P02", "57P03", "57P05", // shutdown, crash, starting up, idle session closed
	readOnly,
}

// errReadOnly is like readOnly, but noticed before anything was written.
var errReadOnly = errors.New("pg: the server accepts no writes: it is no longer the writer")

// transientStates pass by themselves, like endStates: the server has no free
// session, another transaction had priority, or the organization is moving.
var transientStates = []string{
	"53300", "53400", // too many connections, configuration limit
	"40001", "40P01", // serialization failure, deadlock
	"55P03", "57014", // lock timeout, statement timeout
	"25P03", // idle in transaction timeout
	isMoved, hasLeft, isStale,
}

// IsTransient reports whether Postgres was unavailable or busy, so that the same
// call may succeed later.
func IsTransient(err error) bool {
	var state *pgconn.PgError
	if errors.As(err, &state) {
		return slices.Contains(transientStates, state.Code) || slices.Contains(endStates, state.Code) || state.Code[:2] == "08"
	}
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || lostSession(err)
}

// lostSession reports whether err means that the session has ended, not that a
// statement failed.
func lostSession(err error) bool {
	var state *pgconn.PgError
	if errors.As(err, &state) {
		return slices.Contains(endStates, state.Code)
	}
	var network net.Error
	return pgconn.SafeToRetry(err) || errors.As(err, &network) || errors.Is(err, errReadOnly) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// IsMoving reports whether the organization could not be reached because it is moving
// to another database.
func IsMoving(err error) bool { return hasState(err, isMoved) || hasState(err, hasLeft) }

// IsUniqueViolation reports whether err says that a row with that key exists.
func IsUniqueViolation(err error) bool { return hasState(err, uniqueViolation) }

// LockTimeout formats a duration for the setting lock_timeout: milliseconds.
func LockTimeout(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// IsLockTimeout reports whether the wait for a lock exceeded lock_timeout.
func IsLockTimeout(err error) bool { return hasState(err, lockTimeout) }

func hasState(err error, code string) bool {
	var state *pgconn.PgError
	return errors.As(err, &state) && state.Code == code
}
