package signin

import "slices"

// Method is how a person has proved who they are.
type Method string

// The methods.
const (
	Password     Method = "password"
	Link         Method = "link"     // a mailed link, or its code; a reset of the password too
	Provider     Method = "provider" // an account elsewhere, such as Google
	SSO          Method = "sso"      // the organization's own sign-on
	TOTP         Method = "totp"
	RecoveryCode Method = "recovery_code"
	Passkey      Method = "passkey"
)

// references are the names that RFC 8176 has for methods. It has none for signing in elsewhere.
var references = map[Method][]string{
	Password: {"pwd"}, Link: {"otp"}, TOTP: {"otp"}, RecoveryCode: {"otp"}, Passkey: {"pop", "user"},
}

// References names a session's factors as RFC 8176 does, sorted. Two classes are "mfa".
func References(factors []string) (names []string) {
	methods := make([]Method, len(factors))
	for i, f := range factors {
		methods[i] = Method(f)
		names = append(names, references[methods[i]]...)
	}
	if Strength(methods) == 2 {
		names = append(names, "mfa")
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// second are the methods of the second class of factors; all others are of the first.
// The mailbox resets the password, so a password and a link are no more than one.
var second = []Method{TOTP, RecoveryCode, Passkey}

// Strength returns how many classes of factors methods are of: 1 or 2, and 0 without
// any. A passkey is used with a check of its user, so alone it counts as two.
func Strength(methods []Method) int {
	first, other := 0, 0
	for _, m := range methods {
		switch {
		case m == Passkey:
			return 2
		case slices.Contains(second, m):
			other = 1
		default:
			first = 1
		}
	}
	return first + other
}
