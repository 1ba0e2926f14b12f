package api

import (
	"strings"
	"sync"

	"portico/shared/api/edge"
	"portico/shared/fault"
)

// DocsPage is a page of the documentation, or a file that a page loads.
type DocsPage struct {
	ContentType  string
	CacheControl string
	Policy       string // Content-Security-Policy
	Body         []byte // nil if there is only Compressed
	Compressed   []byte // the body as gzip; nil if it is not compressed
}

// DocsPages makes the pages of an OpenAPI document, by name; the name of the
// reference is empty. Only the function that serves the pages links it.
type DocsPages func(openapi []byte) (map[string]DocsPage, error)

type docsInput struct {
	AcceptEncoding string `header:"Accept-Encoding" hidden:"true"`
}

type docsPageInput struct {
	docsInput
	Page string `path:"page" doc:"The name of a guide, or of a file that a page loads." example:"receiving-webhooks"`
}

// docs makes the document and the pages once, on the first request for them, so
// that the function can answer /healthz as soon as it runs.
type docs struct {
	openapi func() ([]byte, error)
	pages   func() (map[string]DocsPage, error)
}

func newDocs(pages DocsPages) docs {
	openapi := sync.OnceValues(OpenAPI)
	return docs{openapi, sync.OnceValues(func() (map[string]DocsPage, error) {
		document, err := openapi()
		if err != nil {
			return nil, err
		}
		return pages(document)
	})}
}

func (d docs) getOpenAPI(*edge.Call, *struct{}) (*rawOutput, error) {
	body, err := d.openapi()
	return &rawOutput{ContentType: "application/json", CacheControl: "public, max-age=300", Body: body}, err
}

func (d docs) getReference(_ *edge.Call, in *docsInput) (*rawOutput, error) {
	return d.page("", in.AcceptEncoding)
}

func (d docs) getPage(_ *edge.Call, in *docsPageInput) (*rawOutput, error) {
	return d.page(in.Page, in.AcceptEncoding)
}

var errNoPage = fault.New(fault.NotFound, "no_such_route", "There is no such page. See /docs for all pages.")

func (d docs) page(name, acceptEncoding string) (*rawOutput, error) {
	pages, err := d.pages()
	if err != nil {
		return nil, err
	}
	p, ok := pages[name]
	if !ok {
		return nil, errNoPage
	}
	out := &rawOutput{ContentType: p.ContentType, CacheControl: p.CacheControl, Policy: p.Policy, Body: p.Body}
	if p.Compressed != nil && (p.Body == nil || strings.Contains(acceptEncoding, "gzip")) {
		out.ContentEncoding, out.Body = "gzip", p.Compressed
	}
	if p.Compressed != nil && p.Body != nil {
		out.Vary = "Accept-Encoding"
	}
	return out, nil
}
