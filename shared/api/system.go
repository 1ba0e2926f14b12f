package api

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/fault"
)

const systemTag = "System"

// System returns the operations about the API itself. It is a function and no
// variables, because what documents all operations is one of them.
func System(pages DocsPages) []edge.Operation {
	docs := newDocs(pages)
	op := func(id, path, summary, description, media string) edge.Op {
		return edge.Op{
			ID: id, Method: http.MethodGet, Path: path, Function: "system", Permission: auth.Public,
			Tag: systemTag, Summary: summary, Description: description, Media: media,
			IgnoresQuery: true,
		}
	}
	page := op("getDocsPage", "/docs/{page}", "Get a guide as a page", "Also answers the files that the pages load.", "text/html")
	page.Faults = []*fault.Error{errNoPage}
	return []edge.Operation{
		edge.Global[struct{}, healthOutput]{Op: op("getHealth", "/healthz", "Tell whether the API answers",
			"Touches no store, so that asking often does not keep the database awake.", ""), Handle: getHealth},
		edge.Global[struct{}, rawOutput]{Op: op("getOpenAPI", "/openapi.json", "Get the OpenAPI 3.1 description of this API", "", "application/json"), Handle: docs.getOpenAPI},
		edge.Global[docsInput, rawOutput]{Op: op("getDocs", "/docs", "Get this documentation as a page", "", "text/html"), Handle: docs.getReference},
		edge.Global[docsPageInput, rawOutput]{Op: page, Handle: docs.getPage},
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
	Body         []byte

	// Of pages only.
	ContentEncoding string `header:"Content-Encoding"`
	Policy          string `header:"Content-Security-Policy"`
	Vary            string `header:"Vary"`
}

func getHealth(*edge.Call, *struct{}) (*healthOutput, error) {
	out := &healthOutput{}
	out.Body.Status = "ok"
	return out, nil
}
