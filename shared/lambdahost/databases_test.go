package lambdahost

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/shared/pg"
)

// Other databases are reached with the login of DATABASE_URL. An invalid one is
// refused when the function starts.
func TestDatabases(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://portico_app:secret@127.0.0.1:5432/portico?sslmode=disable")
	t.Setenv("DATABASES", "")
	var e DatabaseEnv
	if err := Read(&e); err != nil {
		t.Fatal(err)
	}
	if urls, err := e.URLs(); err != nil || len(urls) != 1 {
		t.Errorf("without others: %v, %v", urls, err)
	}
	t.Setenv("DATABASES", `{"berlin":{"url":"postgres://berlin:5432/portico"},"acme":{"url":"postgres://acme/portico?sslmode=verify-full","secret":"arn"}}`)
	e = DatabaseEnv{}
	if err := Read(&e); err != nil {
		t.Fatal(err)
	}
	urls, err := e.URLs()
	want := pg.Databases[string]{
		"home":   "postgres://portico_app:secret@127.0.0.1:5432/portico?sslmode=disable",
		"acme":   "postgres://portico_app:secret@acme/portico?sslmode=verify-full",
		"berlin": "postgres://portico_app:secret@berlin:5432/portico",
	}
	if diff := cmp.Diff(want, urls); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"home", "acme", "berlin"}, urls.Names()); diff != "" || e.Others["acme"].Secret != "arn" {
		t.Errorf("%s%+v", diff, e.Others)
	}
	for text, because := range map[string]string{
		`acme`:                                "must be JSON such as",
		`{"home":{"url":"postgres://h/p"}}`:   `"home" cannot be the name of a database`,
		`{"A b":{"url":"postgres://h/p"}}`:    "lower-case letters",
		`{"acme":{"url":"https://h/p"}}`:      "the url of acme must be like",
		`{"acme":{"url":"postgres://a@h/p"}}`: "without user name and password",
	} {
		t.Setenv("DATABASES", text)
		if err := Read(&DatabaseEnv{}); err == nil || !strings.Contains(err.Error(), because) {
			t.Errorf("%s: %v, want %q", text, err, because)
		}
	}
}

// Workers log in as portico_worker in every database: with the password that both
// roles share, or without one if the roles use IAM.
func TestDatabasesOfWorkers(t *testing.T) {
	others := databases{}
	if err := others.UnmarshalText([]byte(`{"acme":{"url":"postgres://acme:5432/portico"}}`)); err != nil {
		t.Fatal(err)
	}
	for app, want := range map[string]pg.Databases[string]{
		"postgres://portico_app@host:5432/portico?sslmode=verify-full": {
			"home": "postgres://portico_worker@host:5432/portico?sslmode=verify-full",
			"acme": "postgres://portico_worker@acme:5432/portico",
		},
		"postgres://portico_app:a%2Fb@host:5432/portico": {
			"home": "postgres://portico_worker:a%2Fb@host:5432/portico",
			"acme": "postgres://portico_worker:a%2Fb@acme:5432/portico",
		},
	} {
		urls, err := DatabaseEnv{URL: app, Others: others}.asWorker()
		if diff := cmp.Diff(want, urls); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", app, err, diff)
		}
	}
	if _, err := (DatabaseEnv{URL: "postgres://a b"}).asWorker(); err == nil {
		t.Error("a URL that cannot be read was accepted")
	}
}
