package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portico/infra/local/lambda"
)

// With the file of `sam local invoke --env-vars` every function reaches the
// running stack's stores and answers its event. SAM passes on only the variables
// that are in the template, and its own credentials.
func TestSamEnvironment(t *testing.T) {
	t.Parallel()
	info, err := os.Stat(envFile)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	text, err := os.ReadFile(envFile)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string]string
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	cloudFormation := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(cloudFormation.Close)
	for _, f := range shared.Template.Functions {
		t.Run(f.LogicalID, func(t *testing.T) {
			declared, given := slices.Sorted(maps.Keys(f.Env)), slices.Sorted(maps.Keys(all[f.LogicalID]))
			if !slices.Equal(declared, given) {
				t.Fatalf("the template declares %v, the file gives %v", declared, given)
			}
			if all[f.LogicalID]["AWS_ENDPOINT_URL"] != shared.AWSURL {
				t.Fatal("the function would call AWS itself")
			}
			name := filepath.Base(f.CodeURI)
			event, err := os.ReadFile("../../../events/" + name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			event = bytes.ReplaceAll(event, []byte("https://cloudformation-custom-resource-response.example.com/"), []byte(cloudFormation.URL))
			binary, err := filepath.Abs("../../../.local/build/" + name + "/bootstrap")
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			host := lambda.NewHost(lambda.Options{Log: &log, Env: map[string]string{
				"AWS_ACCESS_KEY_ID": "defaultkey", "AWS_SECRET_ACCESS_KEY": "defaultsecret", "AWS_SAM_LOCAL": "true",
			}})
			defer host.Close()
			function, err := host.Add(lambda.Config{Name: f.Name, Binary: binary, Timeout: f.Timeout, MemoryMB: f.MemoryMB, Env: all[f.LogicalID]})
			if err != nil {
				t.Fatal(err)
			}
			reply, err := function.Invoke(context.Background(), event)
			if name == "restore" && err != nil && strings.Contains(err.Error(), "the archive has no entry of this log") {
				err = nil // what the store says of the event's organization
			}
			if name == "move" && err != nil && strings.Contains(err.Error(), "there is no such organization") {
				err = nil // what the store says of the event's organization
			}
			if err != nil || bytes.Contains(reply, []byte(`"statusCode":5`)) {
				t.Errorf("%s, %v\n%s", reply, err, log.String())
			}
		})
	}
	if len(all) != len(shared.Template.Functions) {
		t.Errorf("the file has %d functions, the template %d", len(all), len(shared.Template.Functions))
	}
}
