package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/api/edge"
)

// sample calls the operation in TypeScript, with a client whose types come from
// this description. infra/check/clients compiles every sample.
var sample = template.Must(template.New("").Parse(`import createClient from "openapi-fetch";
import type { paths } from "./portico.js"; // npx openapi-typescript $PORTICO_URL/openapi.json --output portico.d.ts

const api = createClient<paths>({
  baseUrl: process.env.PORTICO_URL,
{{- if .Keyed}}
  headers: { Authorization: ` + "`Bearer ${process.env.PORTICO_KEY}`" + ` },
{{- end}}
});
const { data, error } = await api.{{.Method}}("{{.Path}}"
{{- if .Options}}, {
{{- range .Options}}
  {{.}},
{{- end}}
}{{end}});
if (error) throw new Error(JSON.stringify(error));
console.log(data);
`))

// codeSample is an item of the extension x-codeSamples, which renderers know.
type codeSample struct {
	Lang   string `json:"lang"`
	Label  string `json:"label"`
	Source string `json:"source"`
}

// giveSamples gives every operation a sample in TypeScript. Renderers make
// samples in other languages themselves, but not in TypeScript.
func giveSamples(d *huma.OpenAPI) error {
	for _, o := range All() {
		op := o.Meta()
		at := edge.Described(d, op)
		options, err := sampleOptions(at, op)
		if err != nil {
			return fmt.Errorf("operation %s: its sample: %w", op.ID, err)
		}
		var source strings.Builder
		if err := sample.Execute(&source, map[string]any{
			"Method": op.Method, "Path": op.Path, "Keyed": len(at.Security) > 0, "Options": options,
		}); err != nil {
			return err
		}
		at.Extensions = map[string]any{"x-codeSamples": []codeSample{{"typescript", "TypeScript", source.String()}}}
	}
	return nil
}

// sampleOptions returns the options that a call of the operation needs, with
// their examples as values.
func sampleOptions(at *huma.Operation, op edge.Op) (options []string, err error) {
	params := map[string][]string{}
	for _, p := range at.Parameters {
		if !p.Required {
			continue
		}
		examples := p.Schema.Examples
		if len(examples) == 0 && p.Example != nil {
			examples = []any{p.Example}
		}
		if len(examples) == 0 {
			return nil, fmt.Errorf("the required parameter %s has no example", p.Name)
		}
		params[p.In] = append(params[p.In], fmt.Sprintf("%s: %q", p.Name, examples[0]))
	}
	var sent []string
	for _, in := range slices.Sorted(maps.Keys(params)) {
		sent = append(sent, in+": { "+strings.Join(params[in], ", ")+" }")
	}
	if len(sent) > 0 {
		options = append(options, "params: { "+strings.Join(sent, ", ")+" }")
	}
	if at.RequestBody != nil {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("  ", "  ")
		if err := encoder.Encode(at.RequestBody.Content["application/json"].Example); err != nil {
			return nil, err
		}
		options = append(options, "body: "+strings.TrimSpace(text.String()))
	}
	if op.Media != "" && op.Media != "application/json" {
		options = append(options, `parseAs: "text"`)
	}
	return options, nil
}
