package template_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"portico/infra/local/template"
)

// FuzzLoad: a template is understood alike each time, or refused with an error.
func FuzzLoad(f *testing.F) {
	whole, err := os.ReadFile("testdata/template.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(whole), "", "Resources: {}", "Resources: {A: {Type: AWS::SQS::Queue}}", "a: &a [*a]", "a: &a {b: *a}", "Resources: {A: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub '${A}${B.C}'}}}",
		"Parameters: {P: {Type: String, Default: x}}\nConditions: {C: !Equals [!Ref P, x], D: !Not [{Condition: D}]}\nResources: {A: {Type: AWS::SQS::Queue, Condition: C, Properties: {QueueName: !If [D, a, b]}}}",
		"Resources: {A: {Type: AWS::SQS::Queue, Properties: {QueueName: !Select [9, !Split [',', 'a,b']]}}}", "Resources: {A: {Type: AWS::DynamoDB::Table, Properties: {KeySchema: [1]}}}", "Mappings: {M: {a: {b: c}}}\nResources: {A: {Type: AWS::SQS::Queue, Properties: {QueueName: !FindInMap [M, a, x]}}}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), "template.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		one, err := template.Load(file, template.Options{})
		two, again := template.Load(file, template.Options{})
		if (err == nil) != (again == nil) || err == nil && !reflect.DeepEqual(one, two) {
			t.Errorf("%q is read as %+v, %v, and then as %+v, %v", text, one, err, two, again)
		}
	})
}
