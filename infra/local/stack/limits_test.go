package stack

import (
	"path/filepath"
	"testing"

	"github.com/caarlos0/env/v11"

	"portico/infra/local/template"
	"portico/shared/limit"
)

// The template gives every function a limit for each policy, as the code reads them,
// and a laptop's limits are higher than what a machine can do.
func TestLimits(t *testing.T) {
	deployed, err := template.Load(filepath.Join("..", "..", "..", "template.yaml"), template.Options{
		Endpoint: "http://127.0.0.1:1", Parameters: map[string]string{"LimitWork": "777", "ApiMaxConcurrency": "30", "PublishMaxConcurrency": "400"},
	})
	if err != nil {
		t.Fatal(err)
	}
	environments := map[string]string{}
	for _, f := range deployed.Functions {
		environments[f.LogicalID] = f.Env["LIMIT_ENVIRONMENTS"]
		if work, _ := policies(t, f.Env).Named("work"); work.Limit != 777 {
			t.Errorf("%s: the limit of work is %d, want that of the parameter", f.LogicalID, work.Limit)
		}
		local, err := endpoints{}.functionEnvironment(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range policies(t, local) {
			if p.Limit < 1_000_000 {
				t.Errorf("%s: on a laptop the limit of %s is %d", f.LogicalID, p.Name, p.Limit)
			}
		}
	}
	if environments["EventsFunction"] != "30" || environments["PublishFunction"] != "400" {
		t.Errorf("environments that share a limit: %v", environments)
	}
}

// policies reads those of a function's environment.
func policies(t *testing.T, environment map[string]string) limit.Policies {
	t.Helper()
	var e struct {
		Limits map[string]int64 `env:"LIMITS,required,notEmpty"`
	}
	if err := env.ParseWithOptions(&e, env.Options{Environment: environment}); err != nil {
		t.Fatal(err)
	}
	list, err := limit.NewPolicies(e.Limits)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
