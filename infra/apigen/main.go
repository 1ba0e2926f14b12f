// Apigen prints infra/api.yaml: the OpenAPI definition of the HTTP API, one route per operation of the registry.
// With the argument invoke it prints infra/invoke.yaml: the functions that API Gateway may call; with permissions
// docs/permissions.md: the operations that each role may call; with errors docs/errors.md with its table of codes; with
// openapi the reply of GET /openapi.json; with event-types that of GET /v1/event-types/openapi.json for sample types.
//
//	go run ./infra/apigen > infra/api.yaml
//	go run ./infra/apigen invoke > infra/invoke.yaml
//	go run ./infra/apigen permissions > docs/permissions.md
//	go run ./infra/apigen errors > .local/errors.md
//	go run ./infra/apigen openapi
//	go run ./infra/apigen event-types
package main

import (
	"fmt"
	"os"
	"slices"

	"portico/shared/api"
	"portico/shared/directory"
	"portico/shared/eventtype/openapi"
	"portico/shared/pages"
	"portico/shared/pages/admin"
	"portico/shared/pages/resend"
	"portico/shared/pages/saml"
	"portico/shared/pages/setup"
	"portico/shared/pages/signin"
	"portico/shared/pages/token"
	"portico/shared/pages/unsubscribe"
)

func main() {
	var document []byte
	var err error
	switch {
	case len(os.Args) < 2:
		document, err = render(registered())
	case os.Args[1] == "invoke":
		document = renderInvoke(registered())
	case os.Args[1] == "permissions":
		document = renderPermissions()
	case os.Args[1] == "errors":
		document, err = renderErrors()
	case os.Args[1] == "openapi":
		document, err = api.OpenAPI()
	case os.Args[1] == "event-types":
		document, err = openapi.Describe("Acme", openapi.Sample())
	default:
		err = fmt.Errorf("the argument %q is unknown: use invoke, permissions, errors, openapi or event-types", os.Args[1])
	}
	if err == nil {
		_, err = os.Stdout.Write(document)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "cannot generate: %v\n", err)
		os.Exit(1)
	}
}

// registered lists the operations that the code serves, the pages for people, and what mail services call.
func registered() []op {
	var ops []op
	for _, operation := range api.All() {
		o := operation.Meta()
		ops = append(ops, op{ID: o.ID, Method: o.Method, Path: o.Path, Function: o.Function})
	}
	for _, r := range pages.Routes(slices.Concat((&signin.Site{}).Pages(), (&saml.Site{}).Pages(), (&setup.Site{}).Pages(), (&admin.Site{}).Pages())) {
		ops = append(ops, op{ID: r.ID, Method: anyMethod, Path: r.Path, Function: r.Function})
	}
	return append(ops,
		op{ID: "showUnsubscribe", Method: "GET", Path: unsubscribe.Path, Function: "unsubscribe"},
		op{ID: "unsubscribe", Method: "POST", Path: unsubscribe.Path, Function: "unsubscribe"},
		op{ID: "resend", Method: "POST", Path: resend.Path, Function: "resend"},
		op{ID: "scim", Method: anyMethod, Path: directory.Path + "{page+}", Function: "organization"},
		op{ID: "oauthToken", Method: "POST", Path: token.Path, Function: "oauth"},
		op{ID: "oauthRevoke", Method: "POST", Path: token.RevokePath, Function: "oauth"},
		op{ID: "oauthIntrospect", Method: "POST", Path: token.IntrospectPath, Function: "oauth"},
		op{ID: "oauthUserInfo", Method: anyMethod, Path: token.UserInfoPath, Function: "oauth"},
		op{ID: "oauthKeys", Method: "GET", Path: token.KeysPath, Function: "oauth"},
		op{ID: "openIDServer", Method: "GET", Path: token.OpenIDPath, Function: "oauth"},
		op{ID: "oauthServer", Method: "GET", Path: token.ServerPath, Function: "oauth"},
		op{ID: "oauthResource", Method: "GET", Path: token.ResourcePath, Function: "oauth"})
}
