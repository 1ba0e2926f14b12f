// Package template reads template.yaml as CloudFormation would: nested
// templates, parameters, conditions and intrinsics resolved, so that the local
// stack runs what a deployment runs. If it does not understand a part that it
// needs, it returns an error that names the file and the path.
package template

import (
	"fmt"
	"path/filepath"
	"time"
)

// Template is what the local stack needs to know of the deployed stack.
type Template struct {
	StackName string
	Functions []Function
	Routes    []Route
	Queues    []Queue
	Mappings  []Mapping
	Schedules []Schedule
	Tables    []Table
	Secrets   []Secret
	Buckets   []Bucket
	Customs   []CustomResource
	SES       SES
}

// Function is one Lambda function.
type Function struct {
	LogicalID string
	Name      string // physical name
	CodeURI   string // folder, relative to the folder of the root template
	Handler   string
	Timeout   time.Duration
	MemoryMB  int
	Reserved  int // ReservedConcurrentExecutions; 0 when unset
	Env       map[string]string
}

// Route is one route of the HTTP API. Path is "$default" for the default route
// (then Method is empty); Method is "ANY" for any method.
type Route struct {
	Method   string
	Path     string
	Function string // physical name
}

// Queue is one SQS queue.
type Queue struct {
	LogicalID         string
	Name              string
	VisibilityTimeout time.Duration
	Delay             time.Duration
	Retention         time.Duration
	ReceiveWait       time.Duration
	MaxMessageBytes   int
	DeadLetterQueue   string // physical name; empty without redrive
	MaxReceiveCount   int
}

// Mapping is one event source mapping from a queue to a function.
type Mapping struct {
	LogicalID      string
	Function       string // physical name
	Queue          string // physical name
	BatchSize      int
	Window         time.Duration
	PartialFailure bool // ReportBatchItemFailures
	MaxConcurrency int  // 0 when unset
	Enabled        bool
}

// Schedule is one EventBridge schedule. LogicalID is the one SAM gives it: the
// function's followed by the event's.
type Schedule struct {
	LogicalID  string
	Function   string // physical name
	Expression string
	Input      string
	Enabled    bool
}

// Key is one attribute of a DynamoDB key; Type is S, N or B.
type Key struct{ Name, Type string }

// Index is a secondary index of a table.
type Index struct {
	Name       string
	Keys       []Key // hash, then range if any
	Projection string
	NonKey     []string
	Local      bool
}

// Table is one DynamoDB table.
type Table struct {
	LogicalID string
	Name      string
	Keys      []Key // hash, then range if any
	Indexes   []Index
	TTL       string // attribute; empty when off
}

// Bucket is one S3 bucket.
type Bucket struct {
	LogicalID string
	Name      string
}

// Secret is one Secrets Manager secret: either a fixed Value or Generate.
type Secret struct {
	LogicalID string
	Name      string
	ARN       string
	Value     string
	Generate  *GenerateSecret
}

// GenerateSecret is GenerateSecretString.
type GenerateSecret struct {
	SecretStringTemplate    string
	GenerateStringKey       string
	PasswordLength          int
	ExcludeCharacters       string
	ExcludeLowercase        bool
	ExcludeUppercase        bool
	ExcludeNumbers          bool
	ExcludePunctuation      bool
	IncludeSpace            bool
	RequireEachIncludedType bool
}

// CustomResource is a Custom::* resource answered by a function.
type CustomResource struct {
	LogicalID  string
	Type       string
	Function   string // physical name
	Properties map[string]any
}

// Options are the values with which the template is resolved.
type Options struct {
	Parameters map[string]string // of the root template; others take their defaults
	Defaults   map[string]string // of those parameters, instead of the template's; it need not have them
	StackName  string            // default "portico"
	Region     string            // default "us-east-1"
	AccountID  string            // default "000000000000"
	Endpoint   string            // base URL of the local AWS services: queues live below it
}

// Load reads the template in file and those nested in it.
func Load(file string, opts Options) (*Template, error) {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&opts.StackName, "portico"},
		{&opts.Region, "us-east-1"},
		{&opts.AccountID, "000000000000"},
		{&opts.Endpoint, "http://localhost"},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	parameters := map[string]any{}
	for name, value := range opts.Parameters {
		parameters[name] = value
	}
	root := filepath.Dir(file)
	s, err := loadScope(&opts, root, filepath.Base(file), opts.StackName, parameters, 0)
	if err != nil {
		return nil, err
	}
	t := &Template{StackName: opts.StackName}
	if err := t.collect(s); err != nil {
		return nil, err
	}
	return t, t.check(root, &opts)
}

// Function returns the function with that logical id or physical name.
func (t *Template) Function(name string) (Function, bool) {
	for _, f := range t.Functions {
		if f.LogicalID == name || f.Name == name {
			return f, true
		}
	}
	return Function{}, false
}

func (t *Template) collect(s *scope) error {
	for _, id := range s.resourceIDs() {
		r := s.resources[id]
		if handle, ok := collectors[r.kind]; ok {
			if err := handle(t, s, r); err != nil {
				return err
			}
		} else if r.isCustom() {
			if err := t.addCustom(s, r); err != nil {
				return err
			}
		} else if why, ok := notEmulated[r.kind]; ok {
			return r.at.errorf("%s is not supported by the local stack: %s", r.kind, why)
		}
		if child := s.children[id]; child != nil {
			if err := t.collect(child); err != nil {
				return err
			}
		}
	}
	return nil
}

var collectors = map[string]func(*Template, *scope, *resource) error{
	"AWS::Serverless::Function":   (*Template).addFunction,
	"AWS::Serverless::HttpApi":    (*Template).addAPI,
	"AWS::ApiGatewayV2::Api":      (*Template).addAPI,
	"AWS::SQS::Queue":             (*Template).addQueue,
	"AWS::DynamoDB::Table":        (*Template).addTable,
	"AWS::SecretsManager::Secret": (*Template).addSecret,
	"AWS::S3::Bucket":             (*Template).addBucket,
	"AWS::SNS::Topic":             (*Template).addTopic,
	"AWS::SNS::Subscription":      (*Template).addSubscription,
	"AWS::SNS::TopicPolicy":       (*Template).addPolicy,
	"AWS::SQS::QueuePolicy":       (*Template).addPolicy,
	"AWS::SES::EmailIdentity":     (*Template).addIdentity,
	"AWS::SES::ConfigurationSet":  (*Template).addConfigurationSet,

	"AWS::SES::ConfigurationSetEventDestination": (*Template).addEventDestination,
}

// notEmulated lists types that this package does not read although they run or
// start code, or hold data that functions use. Ignoring them would hide the
// difference.
var notEmulated = map[string]string{
	"AWS::Lambda::Function":           "use AWS::Serverless::Function",
	"AWS::Lambda::EventSourceMapping": "use an SQS event of the function",
	"AWS::Scheduler::Schedule":        "use a ScheduleV2 event of the function",
	"AWS::Events::Rule":               "use a ScheduleV2 event of the function",
	"AWS::Serverless::Api":            "use AWS::Serverless::HttpApi",
	"AWS::ApiGateway::RestApi":        "use AWS::Serverless::HttpApi",
	"AWS::ApiGatewayV2::Route":        "put the route into the API's definition",
	"AWS::Serverless::SimpleTable":    "use AWS::DynamoDB::Table",
	"AWS::DynamoDB::GlobalTable":      "use AWS::DynamoDB::Table",
}

// check finds references to things that do not exist, when everything is read.
func (t *Template) check(root string, opts *Options) error {
	functions, queues := map[string]bool{}, map[string]bool{}
	for _, f := range t.Functions {
		if functions[f.Name] {
			return fmt.Errorf("two functions are named %s", f.Name)
		}
		functions[f.Name] = true
	}
	for _, q := range t.Queues {
		queues[q.Name] = true
	}
	for _, r := range t.Routes {
		if !functions[r.Function] {
			return fmt.Errorf("route %s %s of %s calls %q, which is not one of its functions", r.Method, r.Path, root, r.Function)
		}
	}
	for _, m := range t.Mappings {
		if !queues[m.Queue] {
			return fmt.Errorf("%s reads queue %q, which the templates do not define", m.LogicalID, m.Queue)
		}
	}
	for _, q := range t.Queues {
		if q.DeadLetterQueue != "" && !queues[q.DeadLetterQueue] {
			return fmt.Errorf("queue %s sends dead letters to %q, which the templates do not define", q.LogicalID, q.DeadLetterQueue)
		}
	}
	for _, c := range t.Customs {
		if !functions[c.Function] {
			return fmt.Errorf("%s %s is answered by %q, which the templates do not define", c.Type, c.LogicalID, c.Function)
		}
	}
	return t.SES.check(queues, opts)
}
