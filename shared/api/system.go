package api

import (
	"bytes"
	"context"
	_ "embed"
	"html/template"
	"net/http"

	"portico/shared/auth"
)

const systemTag = "System"

// System returns the operations about the API itself. It is a function and no
// variables, because what documents all operations is one of them.
func System() []Operation {
	op := func(id, path, summary, description, media string) Op {
		return Op{
			ID: id, Method: http.MethodGet, Path: path, Function: "system", Permission: auth.Public,
			Tag: systemTag, Summary: summary, Description: description, Media: media,
		}
	}
	return []Operation{
		Static[struct{}, healthOutput]{op("getHealth", "/healthz", "Tell whether the API answers",
			"Touches no store, so that asking often does not keep the database awake.", ""), (*Edge).getHealth},
		Static[struct{}, rawOutput]{op("getOpenAPI", "/openapi.json", "Get the OpenAPI 3.1 description of this API", "", "application/json"), (*Edge).getOpenAPI},
		Static[struct{}, rawOutput]{op("getDocs", "/docs", "Get this documentation as a page", "", "text/html"), (*Edge).getDocs},
	}
}

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok" doc:"ok, or there is no answer."`
	}
}

type rawOutput struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	Policy       string `header:"Content-Security-Policy"`
	Body         []byte
}

func (e *Edge) getHealth(context.Context, *struct{}) (*healthOutput, error) {
	out := &healthOutput{}
	out.Body.Status = "ok"
	return out, nil
}

func (e *Edge) getOpenAPI(context.Context, *struct{}) (*rawOutput, error) {
	body, err := OpenAPI()
	return &rawOutput{ContentType: "application/json", CacheControl: "public, max-age=300", Body: body}, err
}

//go:embed docs.html
var docsPage string

var docsTemplate = template.Must(template.New("docs").Funcs(docsFuncs).Parse(docsPage))

func (e *Edge) getDocs(context.Context, *struct{}) (*rawOutput, error) {
	api, err := describeAll()
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	if err := docsTemplate.Execute(&page, docsOf(api)); err != nil {
		return nil, err
	}
	return &rawOutput{
		ContentType: "text/html; charset=utf-8", CacheControl: "public, max-age=300",
		Policy: "default-src 'none'; style-src 'unsafe-inline'", Body: page.Bytes(),
	}, nil
}
