package api

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/fault"
)

const systemTag = "System"

// System returns the operations about the API itself. They are not variables
// like the others: one of them documents All, which would be a cycle.
func System(pages DocsPages) []edge.Operation {
	docs := newDocs(pages)
	op := func(id, path, summary, description, media string) edge.Op {
		return edge.Op{
			ID: id, Method: http.MethodGet, Path: path, Function: "system", Permission: auth.Public,
			Tag: systemTag, Summary: summary, Description: description, Media: media,
			IgnoresQuery: true,
		}
	}
	page := op("getDocsPage", "/docs/{page}", "Get a guide as a page", "Also serves the files that the pages load.", "text/html")
	page.Faults = []*fault.Error{errNoPage}
	return []edge.Operation{
		edge.Global[struct{}, healthOutput]{Op: op("getHealth", "/healthz", "Check whether the API answers",
			"Uses no database, so frequent checks do not keep the database awake.", ""), Handle: getHealth},
		edge.Global[struct{}, rawOutput]{Op: op("getOpenAPI", "/openapi.json", "Get the OpenAPI 3.1 description of this API", "", "application/json"), Handle: docs.getOpenAPI},
		edge.Global[docsInput, rawOutput]{Op: op("getDocs", "/docs", "Get this documentation as a page", "", "text/html"), Handle: docs.getReference},
		edge.Global[docsPageInput, rawOutput]{Op: page, Handle: docs.getPage},
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

func getHealth(*edge.Call, *struct{}) (*healthOutput, error) {
	out := &healthOutput{}
	out.Body.Status = "ok"
	return out, nil
}
