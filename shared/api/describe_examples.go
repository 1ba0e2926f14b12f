package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/api/edge"
)

const (
	exampleRequestID = "Y2xjcj1Z5QMEPuw="
	exampleTime      = "2026-11-21T09:30:00.000000Z"
)

// giveExamples gives every request the example of its operation. The example of
// a reply is made from the examples of its members.
func giveExamples(d *huma.OpenAPI) error {
	var faults []error
	for _, o := range All() {
		op := o.Meta()
		at := edge.Described(d, op)
		if at.RequestBody != nil {
			media := at.RequestBody.Content["application/json"]
			if err := json.Unmarshal([]byte(op.Example), &media.Example); err != nil {
				faults = append(faults, fmt.Errorf("operation %s: its example is not JSON: %w", op.ID, err))
			}
		}
		for status, reply := range at.Responses {
			if media := reply.Content["application/json"]; strings.HasPrefix(status, "2") && media != nil && op.Media == "" {
				faults = append(faults, giveExample(d, op.ID, media))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Webhooks)) {
		faults = append(faults, giveExample(d, name, d.Webhooks[name].Post.RequestBody.Content["application/json"]))
	}
	return errors.Join(faults...)
}

func giveExample(d *huma.OpenAPI, name string, media *huma.MediaType) (err error) {
	if media.Example, err = exampleOf(d, media.Schema); err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// exampleOf returns the example of a schema, or one made from its members'
// examples. It is null if the schema has none and allows null.
func exampleOf(d *huma.OpenAPI, s *huma.Schema) (any, error) {
	if s = resolve(d, s); len(s.Examples) > 0 {
		return s.Examples[0], nil
	}
	switch {
	case len(s.AllOf) > 0:
		return exampleOfAll(d, s.AllOf)
	case s.Nullable:
		return nil, nil
	case len(s.Enum) > 0:
		return s.Enum[0], nil
	case s.Format == "date-time":
		return exampleTime, nil
	case s.Type == huma.TypeBoolean:
		return false, nil
	case s.Type == huma.TypeArray:
		item, err := exampleOf(d, s.Items)
		return []any{item}, err
	case len(s.Properties) > 0:
		return exampleOfObject(d, s)
	case s.Type == huma.TypeObject:
		return map[string]any{}, nil
	}
	return nil, errors.New("has no example")
}

func exampleOfObject(d *huma.OpenAPI, s *huma.Schema) (map[string]any, error) {
	object := map[string]any{}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		value, err := exampleOf(d, s.Properties[name])
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
		object[name] = value
	}
	return object, errors.Join(faults...)
}

// exampleOfAll merges the examples of the parts. A later part wins, because it
// is more specific.
func exampleOfAll(d *huma.OpenAPI, parts []*huma.Schema) (any, error) {
	whole := map[string]any{}
	for _, part := range parts {
		value, err := exampleOf(d, part)
		if err != nil {
			return nil, err
		}
		object, _ := value.(map[string]any)
		maps.Copy(whole, object)
	}
	return whole, nil
}
