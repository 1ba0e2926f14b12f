package system

import (
	"strings"
	"sync"

	"portico/docs"
	"portico/shared/api/edge"
	"portico/shared/fault"
)

// Page is a page of the documentation, or a file that a page loads.
type Page struct {
	ContentType  string
	CacheControl string
	Policy       string // Content-Security-Policy
	Body         []byte // nil if there is only Compressed
	Compressed   []byte // the body as gzip; nil if it is not compressed
}

// Pages makes the pages of an OpenAPI document, by name; the name of the reference is
// empty. Only the function that serves the pages links it.
type Pages func(openapi []byte) (map[string]Page, error)

type docsInput struct {
	AcceptEncoding string `header:"Accept-Encoding" hidden:"true"`
}

type docsPageInput struct {
	docsInput
	Page string `path:"page" doc:"The name of a guide, or of a file that a page loads." example:"receiving-webhooks"`
}

// served makes the pages once, on the first request for one, so that the function can
// answer /healthz as soon as it runs.
type served struct {
	pages func() (map[string]Page, error)
}

func newServed(pages Pages) served {
	return served{sync.OnceValues(func() (map[string]Page, error) { return pages(docs.OpenAPI) })}
}

func (served) getOpenAPI(*edge.Call, *struct{}) (*rawOutput, error) {
	return &rawOutput{ContentType: "application/json", CacheControl: "public, max-age=300", Body: docs.OpenAPI}, nil
}

func (d served) getReference(_ *edge.Call, in *docsInput) (*rawOutput, error) {
	return d.page("", in.AcceptEncoding)
}

func (d served) getPage(_ *edge.Call, in *docsPageInput) (*rawOutput, error) {
	return d.page(in.Page, in.AcceptEncoding)
}

var errNoPage = fault.New(fault.NotFound, "no_such_route", "There is no such page. See /docs for all pages.")

func (d served) page(name, acceptEncoding string) (*rawOutput, error) {
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
