package api

import (
	"net/http"

	"portico/shared/auth"
	"portico/shared/fault"
)

const systemTag = "System"

// System returns the operations about the API itself. It is a function and no
// variables, because what documents all operations is one of them.
func System(pages DocsPages) []Operation {
	docs := newDocs(pages)
	op := func(id, path, summary, description, media string) Op {
		return Op{
			ID: id, Method: http.MethodGet, Path: path, Function: "system", Permission: auth.Public,
			Tag: systemTag, Summary: summary, Description: description, Media: media,
			IgnoresQuery: true,
		}
	}
	page := op("getDocsPage", "/docs/{page}", "Get a guide as a page", "Also answers the files that the pages load.", "text/html")
	page.Faults = []*fault.Error{errNoPage}
	return []Operation{
		Global[struct{}, healthOutput]{op("getHealth", "/healthz", "Tell whether the API answers",
			"Touches no store, so that asking often does not keep the database awake.", ""), getHealth},
		Global[struct{}, rawOutput]{op("getOpenAPI", "/openapi.json", "Get the OpenAPI 3.1 description of this API", "", "application/json"), docs.getOpenAPI},
		Global[docsInput, rawOutput]{op("getDocs", "/docs", "Get this documentation as a page", "", "text/html"), docs.getReference},
		Global[docsPageInput, rawOutput]{page, docs.getPage},
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

func getHealth(*Call, *struct{}) (*healthOutput, error) {
	out := &healthOutput{}
	out.Body.Status = "ok"
	return out, nil
}
