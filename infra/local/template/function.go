package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// number accepts 30 and "30": a parameter gives a string.
type number int

func (n *number) UnmarshalJSON(data []byte) error {
	i, err := strconv.Atoi(strings.Trim(string(data), `"`))
	*n = number(i)
	return err
}

// truth accepts true and "true".
type truth bool

func (t *truth) UnmarshalJSON(data []byte) error {
	b, err := strconv.ParseBool(strings.Trim(string(data), `"`))
	*t = truth(b)
	return err
}

// oneOrMore accepts "a" and ["a", "b"].
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(data []byte) error {
	if strings.HasPrefix(string(data), "[") {
		return json.Unmarshal(data, (*[]string)(o))
	}
	*o = make([]string, 1)
	return json.Unmarshal(data, &(*o)[0])
}

func (n number) seconds() time.Duration { return time.Duration(n) * time.Second }

func (t *Template) addFunction(s *scope, r *resource) error {
	name, err := s.physicalName(r)
	if err != nil {
		return err
	}
	p := struct {
		CodeUri                      string
		Handler                      string
		Timeout, MemorySize          number
		ReservedConcurrentExecutions number
	}{Timeout: 3, MemorySize: 128, Handler: "bootstrap"}
	if err := s.decode(r, &p, "CodeUri", "Handler", "Timeout", "MemorySize", "ReservedConcurrentExecutions"); err != nil {
		return err
	}
	if p.CodeUri == "" {
		return r.at.errorf("a function needs CodeUri, the folder of its main package")
	}
	env, err := s.environment(r)
	if err != nil {
		return err
	}
	t.Functions = append(t.Functions, Function{
		LogicalID: r.id,
		Name:      name,
		CodeURI:   filepath.Join(filepath.Dir(s.file), p.CodeUri),
		Handler:   p.Handler,
		Timeout:   p.Timeout.seconds(),
		MemoryMB:  int(p.MemorySize),
		Reserved:  int(p.ReservedConcurrentExecutions),
		Env:       env,
	})
	return t.addEvents(s, r, name)
}

// environment merges the variables of Globals with the function's own.
func (s *scope) environment(r *resource) (map[string]string, error) {
	env := map[string]string{}
	for _, from := range []struct {
		properties map[string]any
		at         position
	}{
		{s.globals, position{s.file, "Globals.Function"}},
		{r.properties, r.at},
	} {
		at := from.at.in("Environment").in("Variables")
		environment, err := section(from.properties, "Environment", from.at)
		if err != nil {
			return nil, err
		}
		v, err := s.eval(environment["Variables"], at)
		if err != nil {
			return nil, err
		}
		variables, _ := v.(map[string]any)
		for name, value := range variables {
			if env[name], err = scalarText(value, at.in(name)); err != nil {
				return nil, err
			}
			if strings.Contains(env[name], "{{resolve:") {
				return nil, at.in(name).errorf("the local stack does not understand dynamic references; pass the name and read it in the function")
			}
		}
	}
	return env, nil
}

// event is one entry of a function's Events, with the properties of all the
// types that are understood.
type event struct {
	Type       string
	Properties struct {
		// SQS
		Queue                          string
		BatchSize                      number
		MaximumBatchingWindowInSeconds number
		FunctionResponseTypes          []string
		ScalingConfig                  struct{ MaximumConcurrency number }
		FilterCriteria                 any
		Enabled                        *truth
		// Schedule, ScheduleV2
		Schedule           string
		ScheduleExpression string
		State              string
		Input              any
		ScheduleTimezone   string
		// HttpApi
		Method, Path string
		Auth         any
	}
}

func (t *Template) addEvents(s *scope, r *resource, function string) error {
	v, err := s.property(r, "Events")
	if err != nil {
		return err
	}
	events := map[string]event{}
	at := r.at.in("Events")
	if err := fill(v, &events, at); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(events)) {
		if err := t.addEvent(r.id+id, function, events[id], at.in(id)); err != nil {
			return err
		}
	}
	return nil
}

func (t *Template) addEvent(logicalID, function string, e event, at position) error {
	p := e.Properties
	enabled := (p.Enabled == nil || bool(*p.Enabled)) && p.State != "DISABLED"
	switch e.Type {
	case "SQS":
		if p.FilterCriteria != nil {
			return at.errorf("the local stack does not understand FilterCriteria")
		}
		if p.BatchSize == 0 {
			p.BatchSize = 10
		}
		t.Mappings = append(t.Mappings, Mapping{
			LogicalID: logicalID, Function: function, Queue: lastOfARN(p.Queue), Enabled: enabled,
			BatchSize: int(p.BatchSize), Window: p.MaximumBatchingWindowInSeconds.seconds(),
			PartialFailure: slices.Contains(p.FunctionResponseTypes, "ReportBatchItemFailures"),
			MaxConcurrency: int(p.ScalingConfig.MaximumConcurrency),
		})
	case "Schedule", "ScheduleV2":
		if p.ScheduleTimezone != "" && p.ScheduleTimezone != "UTC" {
			return at.errorf("the local stack keeps schedules in UTC only, not %s", p.ScheduleTimezone)
		}
		input, err := scheduleInput(p.Input)
		if err != nil {
			return at.errorf("Input: %w", err)
		}
		t.Schedules = append(t.Schedules, Schedule{
			LogicalID: logicalID, Function: function, Enabled: enabled,
			Expression: p.Schedule + p.ScheduleExpression, Input: input,
		})
	case "HttpApi":
		if p.Auth != nil {
			return at.errorf("the local stack does not understand Auth of a route")
		}
		t.Routes = append(t.Routes, eventRoute(p.Method, p.Path, function))
	default:
		return at.errorf("the local stack does not understand events of type %q", e.Type)
	}
	return nil
}

// eventRoute follows SAM: no path, or no method, means everything.
func eventRoute(method, path, function string) Route {
	switch method = strings.ToUpper(method); {
	case path == "" || path == "$default":
		return Route{Path: "$default", Function: function}
	case method == "" || method == "*":
		method = "ANY"
	}
	return Route{Method: method, Path: path, Function: function}
}

func scheduleInput(v any) (string, error) {
	text, ok := v.(string)
	if v == nil || text == "" && ok {
		return "{}", nil
	}
	if !ok {
		data, err := json.Marshal(v)
		return string(data), err
	}
	if !json.Valid([]byte(text)) {
		return "", fmt.Errorf("%q is not JSON", text)
	}
	return text, nil
}

// lastOfARN is the name at the end of an ARN of a queue.
func lastOfARN(arn string) string {
	return arn[strings.LastIndex(arn, ":")+1:]
}

// functionOfARN is the name of the function in an ARN or in the URI of an
// integration, which holds such an ARN, with or without an alias.
func functionOfARN(text string) (string, bool) {
	_, rest, ok := strings.Cut(text, ":function:")
	if !ok {
		return "", false
	}
	if end := strings.IndexAny(rest, ":/"); end >= 0 {
		rest = rest[:end]
	}
	return rest, rest != ""
}

func (t *Template) addCustom(s *scope, r *resource) error {
	v, err := s.eval(r.properties, r.at)
	if err != nil {
		return err
	}
	properties, _ := v.(map[string]any)
	token, _ := properties["ServiceToken"].(string)
	function, ok := functionOfARN(token)
	if !ok {
		return r.at.errorf("ServiceToken must be the ARN of a function")
	}
	t.Customs = append(t.Customs, CustomResource{LogicalID: r.id, Type: r.kind, Function: function, Properties: properties})
	return nil
}
