package template_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portico/infra/local/template"
)

func load(t *testing.T, parameters map[string]string) *template.Template {
	t.Helper()
	tpl, err := template.Load("testdata/template.yaml", template.Options{
		StackName: "demo", Endpoint: "http://127.0.0.1:1", Parameters: parameters,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func function(t *testing.T, tpl *template.Template, name string) template.Function {
	t.Helper()
	f, ok := tpl.Function(name)
	if !ok {
		t.Fatalf("no function %s in %+v", name, tpl.Functions)
	}
	return f
}

// Every intrinsic has the same value as in CloudFormation, also across nested
// stacks.
func TestEnvironment(t *testing.T) {
	tests := []struct {
		name       string
		parameters map[string]string
		reserved   int
		env        map[string]string
	}{
		{"defaults", nil, 0, map[string]string{
			"STAGE": "dev", "LEVEL": "debug", "BOTH": "no", "EITHER": "no",
			"QUEUE_URL":    "http://127.0.0.1:1/000000000000/portico-dev-nudge",
			"KEY_TABLE":    "portico-dev-keys",
			"SECRET":       "arn:aws:secretsmanager:us-east-1:000000000000:secret:portico-dev-sealing-LOCAL1",
			"DATABASE_URL": "postgres://portico_app@Cluster.Endpoint.Address:5432/portico?sslmode=require",
			"JOINED":       "b-x-3",
			"LITERAL":      "${NotMe} us-east-1 300",
		}},
		{"prod with reserved concurrency", map[string]string{"Stage": "prod", "ReservedConcurrency": "7"}, 7, map[string]string{
			"STAGE": "prod", "LEVEL": "info", "BOTH": "yes", "EITHER": "yes",
			"QUEUE_URL":    "http://127.0.0.1:1/000000000000/portico-prod-nudge",
			"KEY_TABLE":    "portico-prod-keys",
			"SECRET":       "arn:aws:secretsmanager:us-east-1:000000000000:secret:portico-prod-sealing-LOCAL1",
			"DATABASE_URL": "postgres://portico_app@Cluster.Endpoint.Address:5432/portico?sslmode=require",
			"JOINED":       "b-x-3",
			"LITERAL":      "${NotMe} us-east-1 300",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := template.Function{
				LogicalID: "PublishFunction", Name: "demo-publish", CodeURI: "functions/api/publish",
				Handler: "bootstrap", Timeout: 29 * time.Second, MemoryMB: 256, Reserved: tt.reserved, Env: tt.env,
			}
			if d := cmp.Diff(want, function(t, load(t, tt.parameters), "PublishFunction")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestOwnPropertiesOverrideGlobals(t *testing.T) {
	f := function(t, load(t, nil), "demo-dispatcher")
	if f.Timeout != 300*time.Second || f.MemoryMB != 512 || f.Env["STAGE"] != "local" {
		t.Errorf("got %+v", f)
	}
}

func TestConditionalResource(t *testing.T) {
	if _, ok := load(t, nil).Function("OnlyInProdFunction"); ok {
		t.Error("a resource whose condition is false was kept")
	}
	if f := function(t, load(t, map[string]string{"Stage": "prod"}), "OnlyInProdFunction"); f.Name != "demo-OnlyInProdFunction" {
		t.Errorf("got %+v", f)
	}
}

func TestRoutes(t *testing.T) {
	want := []template.Route{
		{Path: "$default", Function: "demo-system"},
		{Method: "POST", Path: "/v1/events", Function: "demo-publish"},
		{Method: "GET", Path: "/v1/events/{id}", Function: "demo-publish"},
		{Method: "ANY", Path: "/v1/events/{id}", Function: "demo-publish"},
	}
	if d := cmp.Diff(want, load(t, nil).Routes); d != "" {
		t.Error(d)
	}
}

func TestSourcesAndData(t *testing.T) {
	tpl := load(t, nil)
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"mappings", tpl.Mappings, []template.Mapping{{
			LogicalID: "DispatcherFunctionNudge", Function: "demo-dispatcher", Queue: "portico-dev-nudge",
			BatchSize: 1, PartialFailure: true, MaxConcurrency: 4, Enabled: true,
		}}},
		{"schedules", tpl.Schedules, []template.Schedule{{
			LogicalID: "SweeperFunctionEvery", Function: "demo-sweeper", Expression: "rate(1 minute)", Input: `{"sweep":true}`, Enabled: true,
		}}},
		{"queues", tpl.Queues, []template.Queue{
			{
				LogicalID: "DeadQueue", Name: "demo-Data-DeadQueue", VisibilityTimeout: 30 * time.Second,
				Retention: 96 * time.Hour, MaxMessageBytes: 1 << 20,
			},
			{
				LogicalID: "NudgeQueue", Name: "portico-dev-nudge", VisibilityTimeout: 300 * time.Second,
				Retention: 120 * time.Second, MaxMessageBytes: 1 << 20, DeadLetterQueue: "demo-Data-DeadQueue", MaxReceiveCount: 3,
			},
		}},
		{"tables", tpl.Tables, []template.Table{{
			LogicalID: "KeyTable", Name: "portico-dev-keys", Keys: []template.Key{{Name: "hash", Type: "S"}, {Name: "at", Type: "N"}},
			Indexes: []template.Index{{Name: "by-time", Keys: []template.Key{{Name: "at", Type: "N"}}, Projection: "INCLUDE", NonKey: []string{"x"}}},
			TTL:     "expires_at",
		}}},
		{"secrets", tpl.Secrets, []template.Secret{{
			LogicalID: "SealingSecret", Name: "portico-dev-sealing",
			ARN: "arn:aws:secretsmanager:us-east-1:000000000000:secret:portico-dev-sealing-LOCAL1",
			Generate: &template.GenerateSecret{
				SecretStringTemplate: `{"current":"1"}`, GenerateStringKey: "1", PasswordLength: 64,
				ExcludePunctuation: true, RequireEachIncludedType: true,
			},
		}}},
		{"buckets", tpl.Buckets, []template.Bucket{{LogicalID: "FileBucket", Name: "demo-data-filebucket"}, {LogicalID: "NamedBucket", Name: "portico-dev-files"}}},
		{"custom resources", tpl.Customs, []template.CustomResource{{
			LogicalID: "Migration", Type: "Custom::Migration", Function: "demo-migrate",
			Properties: map[string]any{"ServiceToken": "arn:aws:lambda:us-east-1:000000000000:function:demo-migrate", "Version": "abc123"},
		}}},
	} {
		if d := cmp.Diff(tt.want, tt.got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}

// A value that cannot be resolved is an error that names its position.
func TestErrorsSayWhere(t *testing.T) {
	inFunction := func(line string) string {
		return "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: f\n      " + line
	}
	for _, tt := range []struct{ name, template, want string }{
		{"unresolved Ref", inFunction("Environment: {Variables: {A: !Ref Nobody}}"), `template.yaml: Resources.F.Properties.Environment.Variables.A.Ref: there is no parameter with a value and no resource named "Nobody"`},
		{"unresolved Sub", inFunction("FunctionName: !Sub 'a-${Nobody}'"), `Resources.F.Properties.FunctionName.Fn::Sub: there is no parameter with a value and no resource named "Nobody"`},
		{"unresolved GetAtt", inFunction("FunctionName: !GetAtt Nobody.Arn"), `no resource named "Nobody"`},
		{"unknown intrinsic", inFunction("FunctionName: !ToJsonString {a: 1}"), `Fn::ToJsonString`},
		{"unknown condition", inFunction("FunctionName: !If [Nope, a, b]"), `there is no condition "Nope"`},
		{"circular condition", "Conditions: {A: !Not [!Condition A]}\n" + inFunction("FunctionName: !If [A, a, b]"), `needs itself`},
		{"missing map key", "Mappings: {M: {a: {b: c}}}\n" + inFunction("FunctionName: !FindInMap [M, a, x]"), `Mappings have no "x"`},
		{"select beyond the end", inFunction("FunctionName: !Select [2, [a, b]]"), `has no element 2`},
		{"no code", "Resources:\n  F: {Type: AWS::Serverless::Function, Properties: {Handler: x}}", `needs CodeUri`},
		{"unknown event", inFunction("Events: {E: {Type: S3, Properties: {Bucket: b}}}"), `Resources.F.Properties.Events.E: the local stack does not understand events of type "S3"`},
		{"time zone", inFunction("Events: {E: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), ScheduleTimezone: Europe/Berlin}}}"), `UTC only`},
		{"type that runs code", "Resources:\n  F: {Type: AWS::Lambda::Function}", `AWS::Lambda::Function is not supported by the local stack`},
		{"mapping of a foreign queue", inFunction("Events: {E: {Type: SQS, Properties: {Queue: 'arn:aws:sqs:us-east-1:1:other'}}}"), `reads queue "other"`},
		{"FIFO queue", "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}", `standard queues only`},
		{"twice the same key", "Resources:\n  Q: {Type: AWS::SQS::Queue}\n  Q: {Type: AWS::SQS::Queue}", `template.yaml:3: key "Q" appears twice`},
		{"nests itself", "Resources:\n  S: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: template.yaml}}", `nested more than`},
		{"undeclared parameter", "Resources:\n  S: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: child.yaml, Parameters: {X: 1}}}", `child.yaml: Parameters: X is given but not declared`},
		{"missing output", inFunction("FunctionName: !GetAtt S.Outputs.X") + "\n  S: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: child.yaml}}", `child.yaml has no output "X"`},
		{"dynamic reference", inFunction("Environment: {Variables: {A: '{{resolve:ssm:x}}'}}"), `dynamic references`},
		{"authorizer", "Resources:\n  A: {Type: AWS::Serverless::HttpApi, Properties: {DefinitionBody: {paths: {/a: {get: {security: [{x: []}]}}}}}}", `Body.paths./a.get: the local stack does not understand authorizers`},
		{"no integration", "Resources:\n  A: {Type: AWS::Serverless::HttpApi, Properties: {DefinitionBody: {paths: {/a: {get: {}}}}}}", `uri must hold the ARN of a function`},
		{"includes itself", "Resources:\n  A: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: template.yaml}}}", `template.yaml:2: the template has more than 100000 values: an alias or an include contains itself`},
		{"alias that contains itself", "Resources: &all\n  A: *all", `template.yaml:2: the template has more than 100000 values`},
		{"name that needs itself", "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !GetAtt Q.QueueName}}", `the name of Q needs itself`},
		{"missing include", "Resources:\n  A: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: nope.yaml}}}", `nope.yaml`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "template.yaml", tt.template)
			write(t, dir, "child.yaml", "Resources: {T: {Type: AWS::SNS::Topic}}")
			_, err := template.Load(filepath.Join(dir, "template.yaml"), template.Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

// An error in an included file names that file.
func TestErrorInInclude(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "template.yaml", "Resources:\n  A:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n      DefinitionBody:\n        Fn::Transform: {Name: AWS::Include, Parameters: {Location: api.yaml}}\n")
	write(t, dir, "api.yaml", "paths: {/a: {get: {x-amazon-apigateway-integration: {uri: {Fn::Sub: '${Gone.Arn}'}}}}}")
	_, err := template.Load(filepath.Join(dir, "template.yaml"), template.Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "api.yaml: ") {
		t.Errorf("got %v", err)
	}
}

// HttpApi events of functions are routes too.
func TestEventRoutes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "template.yaml", `
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Events:
        A: {Type: HttpApi, Properties: {Method: get, Path: /a}}
        B: {Type: HttpApi}
        C: {Type: HttpApi, Properties: {Method: '*', Path: /c}}
`)
	tpl, err := template.Load(filepath.Join(dir, "template.yaml"), template.Options{StackName: "s"})
	if err != nil {
		t.Fatal(err)
	}
	want := []template.Route{{Method: "GET", Path: "/a", Function: "s-F"}, {Path: "$default", Function: "s-F"}, {Method: "ANY", Path: "/c", Function: "s-F"}}
	if d := cmp.Diff(want, tpl.Routes); d != "" {
		t.Error(d)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
