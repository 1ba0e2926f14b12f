package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/jackc/pgx/v5/pgxpool"

	"portico/infra/local/stack"
)

// serveMode is the word with which bench runs itself as the stack's process, so
// that the gateway's CPU time is not the publishers' and the receivers'.
const serveMode = "serve"

// endpoints is what the stack's process prints once it runs.
type endpoints struct{ URL, AWSURL, DatabaseURL string }

// serve runs a durable stack on data of its own until its input ends.
func serve(args []string) error {
	env := map[string]map[string]string{"*": {}}
	if len(args) > 1 {
		env["*"]["PORTICO_CPU_PROFILES"] = args[1]
	}
	ctx := context.Background()
	s, err := stack.Start(ctx, stack.Options{
		Root: ".", StateDir: args[0], HTTPAddr: "127.0.0.1:0", Env: env, Log: io.Discard,
		// In Lambda each process has a processor of its own; here they share.
		MaxConcurrency: 4 * runtime.NumCPU(),
		// No sweep: whatever was not told or nudged for would be missed, and noticed.
		Schedules: false,
		Progress:  func(format string, args ...any) { fmt.Fprintf(os.Stderr, "  "+format+"\n", args...) },
	})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := json.NewEncoder(os.Stdout).Encode(endpoints{s.URL, s.AWSURL, s.DatabaseURL}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// bench is a running measurement.
type bench struct {
	options
	endpoints
	key     string // API key of the organization
	dir     string
	process *exec.Cmd
	input   io.Closer
	db      *pgxpool.Pool // administrator's
	client  *http.Client
	inbox   *inbox
	rows    []row
	figures map[string]float64
}

// start runs the stack's process and creates the organization.
func start(ctx context.Context, o options) (*bench, error) {
	b := &bench{options: o, figures: map[string]float64{}, client: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256},
	}}
	var err error
	if b.dir, err = os.MkdirTemp("/var/tmp", "portico-bench-"); err != nil {
		return nil, err
	}
	// The stack's servers may run as another user than we do.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return nil, err
	}
	if err := b.startStack(); err != nil {
		b.close()
		return nil, err
	}
	if b.db, err = pgxpool.New(ctx, b.DatabaseURL); err != nil {
		return nil, err
	}
	if b.inbox, err = newInbox(); err != nil {
		return nil, err
	}
	return b, b.bootstrap(ctx)
}

func (b *bench) startStack() error {
	fmt.Println("starting the stack …")
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{serveMode, filepath.Join(b.dir, "state")}
	if b.profiles != "" {
		folder, err := filepath.Abs(b.profiles)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		args = append(args, folder)
	}
	b.process = exec.Command(self, args...)
	b.process.Stderr = os.Stderr
	input, err := b.process.StdinPipe()
	if err != nil {
		return err
	}
	b.input = input
	output, err := b.process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := b.process.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the stack did not start: see above")
	}
	return json.Unmarshal(line, &b.endpoints)
}

func (b *bench) bootstrap(ctx context.Context) error {
	client := lambda.New(lambda.Options{
		Region: stack.Region, BaseEndpoint: &b.AWSURL, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("BootstrapFunction"), Payload: []byte(`{"organization":"Bench"}`)})
	if err != nil {
		return err
	}
	var made struct {
		APIKey string `json:"api_key"`
	}
	if err := json.Unmarshal(out.Payload, &made); err != nil || made.APIKey == "" {
		return fmt.Errorf("bootstrap answered %s", out.Payload)
	}
	b.key = made.APIKey
	return nil
}

func (b *bench) close() {
	if b.inbox != nil {
		b.inbox.close()
	}
	if b.db != nil {
		b.db.Close()
	}
	if b.process != nil {
		b.input.Close()
		_ = b.process.Wait()
	}
	_ = os.RemoveAll(b.dir)
}

func (b *bench) postgresVersion(ctx context.Context) (version string) {
	_ = b.db.QueryRow(ctx, `SHOW server_version`).Scan(&version)
	return version
}
