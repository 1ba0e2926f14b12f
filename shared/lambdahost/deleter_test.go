package lambdahost

import "testing"

// Erasing logs in as portico_app: with the password that the roles share, or
// without one where they use IAM.
func TestAsApp(t *testing.T) {
	for worker, want := range map[string]string{
		"postgres://portico_worker@host:5432/portico?sslmode=verify-full": "postgres://portico_app@host:5432/portico?sslmode=verify-full",
		"postgres://portico_worker:a%2Fb@host:5432/portico":               "postgres://portico_app:a%2Fb@host:5432/portico",
	} {
		if got, err := asApp(worker); err != nil || got != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
	if _, err := asApp("postgres://a b"); err == nil {
		t.Error("a URL that cannot be read was accepted")
	}
}
