package api_test

import (
	"encoding/json"
	"testing"

	"portico/shared/api"
)

const (
	postSample = "import createClient from \"openapi-fetch\";\n" +
		"import type { paths } from \"./portico.js\"; // npx openapi-typescript $PORTICO_URL/openapi.json --output portico.d.ts\n" + `
const api = createClient<paths>({
  baseUrl: process.env.PORTICO_URL,
  headers: { Authorization: ` + "`Bearer ${process.env.PORTICO_KEY}`" + ` },
});
const { data, error } = await api.POST("/v1/events", {
  body: {
    "data": {
      "id": "in_1",
      "total": 1.1
    },
    "ordering_key": "customer_42",
    "type": "invoice.paid"
  },
});
if (error) throw new Error(JSON.stringify(error));
console.log(data);
`
	getSample = "import createClient from \"openapi-fetch\";\n" +
		"import type { paths } from \"./portico.js\"; // npx openapi-typescript $PORTICO_URL/openapi.json --output portico.d.ts\n" + `
const api = createClient<paths>({
  baseUrl: process.env.PORTICO_URL,
});
const { data, error } = await api.GET("/docs/{page}", {
  params: { path: { page: "receiving-webhooks" } },
  parseAs: "text",
});
if (error) throw new Error(JSON.stringify(error));
console.log(data);
`
)

// Every operation is described with a sample in TypeScript. infra/check/clients,
// which generates clients, checks that the compiler accepts them all.
func TestSamplesInTypeScript(t *testing.T) {
	t.Parallel()
	text, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Paths map[string]map[string]struct {
			OperationID string                                 `json:"operationId"`
			Samples     []struct{ Lang, Label, Source string } `json:"x-codeSamples"`
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	for _, item := range d.Paths {
		for _, o := range item {
			if len(o.Samples) != 1 || o.Samples[0].Lang != "typescript" || o.Samples[0].Label != "TypeScript" {
				t.Errorf("%s has the samples %+v", o.OperationID, o.Samples)
				continue
			}
			sources[o.OperationID] = o.Samples[0].Source
		}
	}
	for id, want := range map[string]string{"publishEvent": postSample, "getDocsPage": getSample} {
		if sources[id] != want {
			t.Errorf("%s:\n%s\nwant\n%s", id, sources[id], want)
		}
	}
}
