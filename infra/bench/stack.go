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

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/jackc/pgx/v5/pgxpool"

	"portico/infra/bench/cost"
	"portico/infra/bench/kinds"
	"portico/infra/bench/limits"
	"portico/infra/local/stack"
)

// serveMode is the argument with which bench starts itself as the stack's
// process, so that the gateway's CPU time is separate from the publishers' and
// the receivers'.
const serveMode = "serve"

// endpoints is the output of the stack's process when it runs.
type endpoints struct {
	URL, AWSURL, DatabaseURL string
	Env                      map[string]string // of the function jobs-high
}

// settings configure the stack of a run.
type settings struct {
	StateDir  string
	Profiles  string // folder for CPU profiles; "": none
	Schedules bool   // without them a lost notification or nudge is not repaired by the sweep, so the run finds it
	Idle      string // how long a dispatcher stays awake without work; "": the template's
	Log       string // file for the functions' logs; "": none
	Databases []string
	Socket    string // where the bench's kinds of jobs tell that they ran; "": the functions do not know them
	SES       string // address of the server to which mail is sent; "": the stack's mailbox
	Slots     string // how many jobs a runner of the queue high does at a time; "": the product's
}

func (s settings) env() map[string]map[string]string {
	env := map[string]map[string]string{"*": {}, "DispatcherFunction": {}, "JobsHighFunction": {}}
	if s.Socket != "" {
		env["*"][kinds.Socket] = s.Socket
	}
	if s.SES != "" {
		env["*"]["AWS_ENDPOINT_URL_SESV2"] = s.SES
	}
	if s.Slots != "" {
		env["JobsHighFunction"]["JOBS_CONCURRENCY"] = s.Slots
	}
	if s.Profiles != "" {
		env["*"]["PORTICO_CPU_PROFILES"] = s.Profiles
	}
	if s.Idle != "" {
		env["DispatcherFunction"]["DISPATCHER_IDLE"] = s.Idle
	}
	return env
}

func (s settings) log() (io.Writer, error) {
	if s.Log == "" {
		return io.Discard, nil
	}
	return os.Create(s.Log)
}

// serve runs a durable stack with new data until its input ends. Each line of
// the input requests a crash of Postgres; the answer follows when Postgres runs
// again.
func serve(args []string) error {
	var set settings
	if err := json.Unmarshal([]byte(args[0]), &set); err != nil {
		return err
	}
	log, err := set.log()
	if err != nil {
		return err
	}
	ctx := context.Background()
	s, err := stack.Start(ctx, stack.Options{
		Root: ".", StateDir: set.StateDir, HTTPAddr: "127.0.0.1:0", Env: set.env(), Log: log,
		// On Lambda each process has its own processor; here they share the cores.
		MaxConcurrency: 4 * runtime.NumCPU(),
		Schedules:      set.Schedules,
		Databases:      set.Databases,
		Code:           set.code(),
		Profile:        set.Profiles != "",
		Progress:       progress,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	replies := json.NewEncoder(os.Stdout)
	high, _ := s.Template.Function("JobsHighFunction")
	if err := replies.Encode(endpoints{s.URL, s.AWSURL, s.DatabaseURL, high.Env}); err != nil {
		return err
	}
	requests := bufio.NewScanner(os.Stdin)
	for requests.Scan() {
		problem := ""
		if err := s.RestartPostgres(ctx); err != nil {
			problem = err.Error()
		}
		if err := replies.Encode(problem); err != nil {
			return err
		}
	}
	return requests.Err()
}

// restartPostgres crashes Postgres and starts it again.
func (b *bench) restartPostgres() error {
	if _, err := io.WriteString(b.input, "restart\n"); err != nil {
		return err
	}
	var problem string
	if err := b.output.Decode(&problem); err != nil || problem != "" {
		return fmt.Errorf("restart of Postgres: %s %w", problem, err)
	}
	b.db.Reset() // its connections are broken
	return nil
}

// bench is a running measurement.
type bench struct {
	options
	endpoints
	org     string // organization's id
	key     string // its API key
	dir     string
	process *exec.Cmd
	input   io.WriteCloser
	output  *json.Decoder
	db      *pgxpool.Pool // administrator's
	client  *http.Client
	meter   *cost.Meter
	inbox   *inbox
	rows    []row
	costs   []priced
	crowd   *crowd
	limits  *limits.Report
	figures map[string]float64
}

// start runs the stack's process and creates the organization.
func start(ctx context.Context, o options, set settings) (*bench, error) {
	b := &bench{options: o, figures: map[string]float64{}, client: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256},
	}}
	var err error
	if b.dir, err = os.MkdirTemp("/var/tmp", "portico-bench-"); err != nil {
		return nil, err
	}
	// The stack's servers may run as a different user.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return nil, err
	}
	set.StateDir = filepath.Join(b.dir, "state")
	for _, file := range []*string{&set.Log, &set.Socket} {
		if *file != "" {
			*file = filepath.Join(b.dir, *file)
		}
	}
	if err := b.startStack(set); err != nil {
		b.close()
		return nil, err
	}
	if b.db, err = pgxpool.New(ctx, b.DatabaseURL); err != nil {
		return nil, err
	}
	if b.inbox, err = newInbox(); err != nil {
		return nil, err
	}
	if b.meter, err = cost.Open(ctx, b.DatabaseURL, b.process.Process.Pid); err != nil {
		return b, err
	}
	if err := b.bootstrap(ctx); err != nil || o.introduced == nil {
		return b, err
	}
	o.introduced.Do(func() {
		var line string
		if line, err = b.introduce(ctx); err == nil {
			fmt.Println(line)
		}
	})
	return b, err
}

func (b *bench) startStack(set settings) error {
	progress("starting the stack …")
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if b.profiles != "" {
		folder, err := filepath.Abs(b.profiles)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		set.Profiles = folder
	}
	arg, err := json.Marshal(set)
	if err != nil {
		return err
	}
	b.process = exec.Command(self, serveMode, string(arg))
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
	b.output = json.NewDecoder(output)
	if err := b.output.Decode(&b.endpoints); err != nil {
		return fmt.Errorf("the stack did not start: see above")
	}
	return nil
}

func (b *bench) bootstrap(ctx context.Context) error {
	var err error
	b.org, b.key, err = b.newOrg(ctx, "Bench")
	return err
}

// newOrg creates an organization and returns its id and its API key.
func (b *bench) newOrg(ctx context.Context, name string) (org, key string, err error) {
	var made struct {
		OrganizationID string `json:"organization_id"`
		APIKey         string `json:"api_key"`
	}
	err = b.invoke(ctx, "BootstrapFunction", `{"command":"create_organization","name":"`+name+`"}`, &made)
	return made.OrganizationID, made.APIKey, err
}

// invoke invokes a function directly.
func (b *bench) invoke(ctx context.Context, function, payload string, reply any) error {
	client := lambda.New(lambda.Options{
		Region: stack.Region, BaseEndpoint: &b.AWSURL, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: []byte(payload)})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out.Payload, reply); err != nil || out.FunctionError != nil {
		return fmt.Errorf("%s answered %s", function, out.Payload)
	}
	return nil
}

func (b *bench) close() {
	if b.inbox != nil {
		b.inbox.close()
	}
	if b.meter != nil {
		b.meter.Close()
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

// progress tells what is being done; the output has the results only.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, "  "+format+"\n", args...) }
