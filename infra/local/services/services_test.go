package services_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"portico/infra/local/services"
	"portico/infra/local/template"
)

// TestMain is also the program that dies in TestOrphan.
func TestMain(m *testing.M) {
	if dir := os.Getenv("START_AND_DIE"); dir != "" {
		p, err := services.StartPostgres(context.Background(), services.PostgresOptions{Dir: dir})
		if err != nil {
			panic(err)
		}
		if _, err := query[int](p.AdminURL(), "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7) RETURNING n"); err != nil {
			panic(err)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	os.Exit(m.Run())
}

// dataDir is a folder that the user of Postgres can enter.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "portico-services-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func startPostgres(t *testing.T, opts services.PostgresOptions) *services.Postgres {
	t.Helper()
	p, err := services.StartPostgres(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// query runs statements and returns the one value of the last.
func query[T any](url, sql string) (T, error) {
	var v T
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return v, err
	}
	defer conn.Close(ctx)
	for statement := range strings.SplitSeq(sql, ";") {
		rows, err := conn.Query(ctx, statement)
		if err != nil {
			return v, err
		}
		if rows.Next() {
			err = rows.Scan(&v)
		}
		rows.Close()
		if err == nil {
			err = rows.Err()
		}
		if err != nil {
			return v, err
		}
	}
	return v, nil
}

func want[T comparable](t *testing.T, url, sql string, value T) {
	t.Helper()
	if got, err := query[T](url, sql); err != nil || got != value {
		t.Errorf("%s: got %v, %v, want %v", sql, got, err, value)
	}
}

// The data survive a crash and a stop; after a crash the port is the same. Only
// one program at a time can use the folder.
func TestPostgresKeepsData(t *testing.T) {
	dir := dataDir(t)
	p := startPostgres(t, services.PostgresOptions{Dir: dir})
	want(t, p.AdminURL(), "CREATE TABLE t (n int); INSERT INTO t VALUES (1) RETURNING n", 1)
	before := p.AdminURL()
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.AdminURL() != before {
		t.Errorf("moved from %s to %s", before, p.AdminURL())
	}
	want(t, p.AdminURL(), "SELECT n FROM t", 1)
	if _, err := services.StartPostgres(t.Context(), services.PostgresOptions{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("a second run got %v", err)
	}
	want(t, p.AdminURL(), "SELECT n FROM t", 1)
	p.Stop()
	if _, err := query[int](before, "SELECT 1"); err == nil {
		t.Error("the server survived Stop")
	}
	p = startPostgres(t, services.PostgresOptions{Dir: dir})
	want(t, p.AdminURL(), "SELECT n FROM t", 1)
}

// Postgres ends when its program is killed. An old pid file does not prevent the
// next run, even if it has the id of a running process.
func TestOrphan(t *testing.T) {
	dir := dataDir(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "START_AND_DIE="+dir)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("%v: %s", err, out)
	}
	p := startPostgres(t, services.PostgresOptions{Dir: dir})
	want(t, p.AdminURL(), "SELECT n FROM kept", 7)
	p.Stop()
	stale := fmt.Sprintf("%d\n%s\n", os.Getpid(), filepath.Join(dir, "data"))
	if err := os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), []byte(stale), 0o644); err != nil {
		t.Fatal(err)
	}
	p = startPostgres(t, services.PostgresOptions{Dir: dir})
	want(t, p.AdminURL(), "SELECT n FROM kept", 7)
}

func TestPostgresSettings(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	p := startPostgres(t, services.PostgresOptions{Throwaway: true, Port: port})
	want(t, p.AdminURL(), "SELECT current_setting('port')::int <> "+fmt.Sprint(port), true)
	want(t, p.AdminURL(), "SHOW listen_addresses", "127.0.0.1")
	want(t, p.AdminURL(), "SHOW max_connections", "1000")
	want(t, p.AdminURL(), "SHOW fsync", "off")
	dir, err := query[string](p.AdminURL(), "SHOW data_directory")
	if err != nil {
		t.Fatal(err)
	}
	p.Stop()
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Errorf("%s was left behind: %v", dir, err)
	}
}

// The master login is not a superuser, may create roles and owns the database;
// creating both again changes nothing.
func TestEnsureDatabases(t *testing.T) {
	p := startPostgres(t, services.PostgresOptions{Throwaway: true})
	for range 2 {
		if err := p.EnsureDatabases(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
	}
	master := p.URL(services.Master, services.MasterPassword, services.Database)
	want(t, master, "SELECT rolcreaterole AND NOT rolsuper FROM pg_roles WHERE rolname = current_user", true)
	want(t, master, "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()", services.Master)
	want(t, p.URL(services.Master, services.MasterPassword, "portico_acme"), "SELECT 1", 1)
	want(t, master, "CREATE ROLE some_app; CREATE SCHEMA s; SELECT 1", 1)

	// The same on an existing server, with a login that is not a superuser.
	want(t, p.AdminURL(), "CREATE ROLE helper LOGIN CREATEROLE CREATEDB PASSWORD 'x'; DROP DATABASE portico; DROP DATABASE portico_acme; REASSIGN OWNED BY portico_master TO postgres; DROP ROLE portico_master; SELECT 1", 1)
	theirs := startPostgres(t, services.PostgresOptions{URL: p.URL("helper", "x", "postgres")})
	if err := theirs.EnsureDatabases(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, master, "SELECT 1", 1)
	theirs.Stop()
	want(t, master, "SELECT 1", 1)
	if err := theirs.Restart(t.Context()); err == nil {
		t.Error("a server that is not ours was restarted")
	}

	want(t, p.AdminURL(), "CREATE ROLE weak LOGIN PASSWORD 'x'; SELECT 1", 1)
	if _, err := services.StartPostgres(t.Context(), services.PostgresOptions{URL: p.URL("weak", "x", "postgres")}); err == nil || !strings.Contains(err.Error(), "CREATEROLE") {
		t.Errorf("got %v", err)
	}
}

func TestWithServer(t *testing.T) {
	const admin = "postgres://postgres@127.0.0.1:54329/postgres?sslmode=disable"
	got, err := services.WithServer("postgres://portico_app@Database.Endpoint.Address:5432/portico?sslmode=verify-full", admin, "secret")
	if want := "postgres://portico_app:secret@127.0.0.1:54329/portico?sslmode=disable"; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := services.WithServer("localhost", admin, "x"); err == nil {
		t.Error("a URL without a login was accepted")
	}
}

var keysTable = template.Table{
	Name: "keys", Keys: []template.Key{{Name: "hash", Type: "S"}, {Name: "at", Type: "N"}}, TTL: "expires_at",
	Indexes: []template.Index{{Name: "by-org", Keys: []template.Key{{Name: "org", Type: "S"}}, Projection: "ALL"}},
}

// Tables are created once, and their items survive a restart.
func TestDynalite(t *testing.T) {
	dir := t.TempDir()
	for run := range 2 {
		d, err := services.StartDynalite(t.Context(), services.DynaliteOptions{Package: "..", Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Stop)
		for range 2 {
			if err := d.EnsureTables(t.Context(), []template.Table{keysTable}); err != nil {
				t.Fatal(err)
			}
		}
		client := dynamodb.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &d.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
		item := map[string]types.AttributeValue{
			"hash": &types.AttributeValueMemberS{Value: "h"}, "at": &types.AttributeValueMemberN{Value: "1"}, "org": &types.AttributeValueMemberS{Value: "o"},
		}
		if run == 0 {
			if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &keysTable.Name, Item: item}); err != nil {
				t.Fatal(err)
			}
		}
		out, err := client.Query(t.Context(), &dynamodb.QueryInput{
			TableName: &keysTable.Name, IndexName: aws.String("by-org"), KeyConditionExpression: aws.String("org = :o"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":o": item["org"]},
		})
		if err != nil || out.Count != 1 {
			t.Errorf("run %d: got %+v, %v", run, out, err)
		}
		changed := keysTable
		changed.Keys = changed.Keys[:1]
		if err := d.EnsureTables(t.Context(), []template.Table{changed}); err == nil || !strings.Contains(err.Error(), "its key has changed") {
			t.Errorf("got %v", err)
		}
		d.Stop()
	}
}

// A private server also runs if the path of TMPDIR is too long for a socket, and
// leaves no files behind.
func TestDynaliteSocket(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("TMPDIR", dir)
		d, err := services.StartDynalite(t.Context(), services.DynaliteOptions{Package: "..", Private: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Stop)
		reply := httptest.NewRecorder()
		d.Handler().ServeHTTP(reply, httptest.NewRequest(http.MethodGet, "/", nil))
		if reply.Code != http.StatusOK {
			t.Errorf("below %s it answered %d %s", dir, reply.Code, reply.Body)
		}
		d.Stop()
		if left, err := filepath.Glob(filepath.Join(dir, "portico-dynamodb-*")); err != nil || left != nil {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	_, err := services.StartDynalite(t.Context(), services.DynaliteOptions{Package: "..", Private: true})
	if err == nil || !strings.Contains(err.Error(), "set TMPDIR to a folder that you may write to") {
		t.Errorf("got %v", err)
	}
}

// dynalite goes on after a client has broken off a request.
func TestDynaliteSurvivesClients(t *testing.T) {
	d, err := services.StartDynalite(t.Context(), services.DynaliteOptions{Package: ".."})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	address := strings.TrimPrefix(d.URL, "http://")
	for range 5 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
		if err := errors.Join(err, conn.(*net.TCPConn).SetLinger(0), conn.Close()); err != nil {
			t.Fatal(err)
		}
		resp, err := http.Get(d.URL) // answered after the broken request
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
}

// If a program is missing, the error names the command that installs it.
func TestMissingPrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := services.StartDynalite(t.Context(), services.DynaliteOptions{Package: ".."})
	if err == nil || !strings.Contains(err.Error(), "apt-get install nodejs npm") {
		t.Errorf("got %v", err)
	}
}

func TestInstalledFromLock(t *testing.T) {
	lock, err := os.ReadFile("../package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), `"resolved"`) {
		t.Error("package-lock.json names download addresses: make it with npm install --omit-lockfile-registry-resolved")
	}
	// npm ci runs when the lock file is newer than the installed packages.
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		data, err := os.ReadFile("../" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	installs := func() int {
		n := 0
		d, err := services.StartDynalite(t.Context(), services.DynaliteOptions{Package: dir, Progress: func(format string, _ ...any) {
			n += strings.Count(format, "npm ci")
		}})
		if err != nil {
			t.Fatal(err)
		}
		d.Stop()
		return n
	}
	counts := []int{installs(), installs()}
	soon := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "package-lock.json"), soon, soon); err != nil {
		t.Fatal(err)
	}
	counts = append(counts, installs())
	if d := cmp.Diff([]int{1, 0, 1}, counts); d != "" {
		t.Error(d)
	}
}
