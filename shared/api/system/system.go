// Package system has the operations about the API itself. It serves the description that
// `make generate` has written, so that its function links no other operation.
package system

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"portico/docs"
	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/fault"
)

const Tag = "System"

// Operations returns the operations about the API itself. They are not variables like the
// others, because only one function has the pages.
func Operations(pages Pages) []edge.Operation {
	served := newServed(pages)
	op := func(id, path, summary, description, media string) edge.Op {
		return edge.Op{
			ID: id, Method: http.MethodGet, Path: path, Function: "system", Permission: auth.Public,
			Tag: Tag, Summary: summary, Description: description, Media: media,
			IgnoresQuery: true,
		}
	}
	page := op("getDocsPage", "/docs/{page}", "Get a guide as a page", "Also serves the files that the pages load.", "text/html")
	page.Faults = []*fault.Error{errNoPage}
	return []edge.Operation{
		edge.Global[struct{}, healthOutput]{Op: op("getHealth", "/healthz", "Check whether the API answers",
			"Uses no database, so frequent checks do not keep the database awake.", ""), Handle: getHealth},
		edge.Global[struct{}, rawOutput]{Op: op("getOpenAPI", "/openapi.json", "Get the OpenAPI 3.1 description of this API", "", "application/json"), Handle: served.getOpenAPI},
		edge.Global[docsInput, rawOutput]{Op: op("getDocs", "/docs", "Get this documentation as a page", "", "text/html"), Handle: served.getReference},
		edge.Global[docsPageInput, rawOutput]{Op: page, Handle: served.getPage},
	}
}

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok" doc:"Always ok: otherwise there is no reply."`
	}
}

type rawOutput struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	Body         []byte

	// Only pages have these.
	ContentEncoding string `header:"Content-Encoding"`
	Policy          string `header:"Content-Security-Policy"`
	Vary            string `header:"Vary"`
}

// Elsewhere returns the method and the path of each operation of the whole API, such as
// "GET /v1/events".
func Elsewhere() (all []string) {
	var description struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(docs.OpenAPI, &description); err != nil {
		panic(fmt.Sprintf("docs/openapi.json, which is generated, cannot be read: %v", err))
	}
	for path, methods := range description.Paths {
		for method := range methods {
			all = append(all, strings.ToUpper(method)+" "+path)
		}
	}
	return all
}

func getHealth(*edge.Call, *struct{}) (*healthOutput, error) {
	out := &healthOutput{}
	out.Body.Status = "ok"
	return out, nil
}
