package template

import (
	"maps"
	"slices"
	"strings"
)

// addAPI takes the routes from the OpenAPI document of an HTTP API.
func (t *Template) addAPI(s *scope, r *resource) error {
	name := "DefinitionBody"
	if r.kind == "AWS::ApiGatewayV2::Api" {
		name = "Body"
	}
	for _, other := range []string{"DefinitionUri", "BodyS3Location", "Auth", "CorsConfiguration"} {
		if r.properties[other] != nil {
			return r.at.errorf("the local stack does not understand %s; say it in %s", other, name)
		}
	}
	body, at := unwrap(r.properties[name], r.at.in(name))
	document, ok := body.(map[string]any)
	if !ok { // SAM creates it from the functions' HttpApi events
		return nil
	}
	paths, err := section(document, "paths", at)
	if err != nil {
		return err
	}
	_, at = unwrap(document["paths"], at.in("paths"))
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		operations, err := section(paths, path, at)
		if err != nil {
			return err
		}
		for _, method := range slices.Sorted(maps.Keys(operations)) {
			if err := t.addOperation(s, path, method, operations, at.in(path)); err != nil {
				return err
			}
		}
	}
	return nil
}

const anyMethod = "x-amazon-apigateway-any-method"

func (t *Template) addOperation(s *scope, path, method string, operations map[string]any, at position) error {
	switch method {
	case "get", "put", "post", "delete", "options", "head", "patch", anyMethod:
	default: // parameters, summary and other fields of a path
		return nil
	}
	operation, err := section(operations, method, at)
	if err != nil {
		return err
	}
	at = at.in(method)
	if operation["security"] != nil {
		return at.errorf("the local stack does not understand authorizers of the gateway")
	}
	integration, err := section(operation, "x-amazon-apigateway-integration", at)
	if err != nil {
		return err
	}
	at = at.in("x-amazon-apigateway-integration")
	if version, _ := s.eval(integration["payloadFormatVersion"], at); version != nil && scalarOrEmpty(version) != "2.0" {
		return at.errorf("the local stack speaks payloadFormatVersion 2.0 only, not %v (write it in quotes)", version)
	}
	uri, err := s.eval(integration["uri"], at.in("uri"))
	if err != nil {
		return err
	}
	text, _ := uri.(string)
	function, ok := functionOfARN(text)
	if !ok {
		return at.errorf("uri must hold the ARN of a function, not %q", text)
	}
	t.Routes = append(t.Routes, documentRoute(method, path, function))
	return nil
}

func scalarOrEmpty(v any) string {
	text, _ := v.(string)
	return text
}

func documentRoute(method, path, function string) Route {
	if path == "/$default" || path == "$default" {
		return Route{Path: "$default", Function: function}
	}
	if method == anyMethod {
		return Route{Method: "ANY", Path: path, Function: function}
	}
	return Route{Method: strings.ToUpper(method), Path: path, Function: function}
}
