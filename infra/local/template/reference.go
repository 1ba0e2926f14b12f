package template

import (
	"encoding/json"
	"fmt"
	"strings"
)

// callRef resolves a parameter, a pseudo parameter or the physical id of a
// resource.
func (s *scope) callRef(arg any, at position) (any, error) {
	name, ok := arg.(string)
	if !ok {
		return nil, at.errorf("must name something")
	}
	if v, ok := s.pseudo(name); ok {
		return v, nil
	}
	if v, ok := s.parameters[name]; ok {
		return v, nil
	}
	if r, ok := s.resources[name]; ok {
		return s.physicalID(r)
	}
	if v, ok, err := s.generated(name); ok {
		return v, err
	}
	return nil, at.errorf("there is no parameter with a value and no resource named %q", name)
}

func (s *scope) pseudo(name string) (any, bool) {
	switch name {
	case "AWS::NoValue":
		return noValue{}, true
	case "AWS::Region":
		return s.opts.Region, true
	case "AWS::AccountId":
		return s.opts.AccountID, true
	case "AWS::Partition":
		return "aws", true
	case "AWS::URLSuffix":
		return "amazonaws.com", true
	case "AWS::StackName":
		return s.stackName, true
	case "AWS::StackId":
		return s.arn("cloudformation", "stack/"+s.stackName+"/local"), true
	}
	return nil, false
}

// generated resolves what SAM derives from a function: its alias
// (FnAliaslive, Fn.Alias), its role and its version.
func (s *scope) generated(name string) (any, bool, error) {
	for id, r := range s.resources {
		rest, ok := strings.CutPrefix(name, id)
		if !ok || r.kind != "AWS::Serverless::Function" {
			continue
		}
		if rest == ".Version" || strings.HasPrefix(rest, "Version") {
			arn, err := s.attribute(r, "Arn")
			return fmt.Sprint(arn, ":1"), true, err
		}
		if rest == "Role" {
			return s.stackName + "-" + name, true, nil
		}
		if rest != ".Alias" && !strings.HasPrefix(rest, "Alias") {
			continue
		}
		alias, err := s.property(r, "AutoPublishAlias")
		if err != nil {
			return nil, true, err
		}
		if text, ok := alias.(string); ok && (rest == ".Alias" || rest == "Alias"+text) {
			arn, err := s.attribute(r, "Arn")
			return fmt.Sprint(arn, ":", text), true, err
		}
	}
	return nil, false, nil
}

func (s *scope) callGetAtt(arg any, at position) (any, error) {
	var id, attribute string
	switch arg := arg.(type) {
	case string:
		id, attribute, _ = strings.Cut(arg, ".")
	case []any:
		if len(arg) != 2 {
			return nil, at.errorf("must be [resource, attribute]")
		}
		id, _ = arg[0].(string)
		v, err := s.eval(arg[1], at)
		if err != nil {
			return nil, err
		}
		attribute, _ = v.(string)
	}
	r, ok := s.resources[id]
	if !ok {
		if v, ok, err := s.generated(id); ok {
			return v, err
		}
		return nil, at.errorf("there is no resource named %q", id)
	}
	if attribute == "" {
		return nil, at.errorf("names no attribute of %s", id)
	}
	if output, ok := strings.CutPrefix(attribute, "Outputs."); ok {
		return s.output(id, output, at)
	}
	return s.attribute(r, attribute)
}

func (s *scope) output(id, name string, at position) (any, error) {
	child, err := s.child(id)
	if err != nil {
		return nil, err
	}
	if child == nil {
		return nil, at.errorf("%s is not a nested stack", id)
	}
	output, err := section(child.outputs, name, position{child.file, "Outputs"})
	if err != nil {
		return nil, err
	}
	if output["Value"] == nil {
		return nil, at.errorf("%s has no output %q", child.file, name)
	}
	return child.eval(output["Value"], position{child.file, "Outputs." + name})
}

// nameProperty is the property with the physical name, for the types whose name
// is used.
var nameProperty = map[string]string{
	"AWS::Serverless::Function":   "FunctionName",
	"AWS::SQS::Queue":             "QueueName",
	"AWS::DynamoDB::Table":        "TableName",
	"AWS::SecretsManager::Secret": "Name",
	"AWS::S3::Bucket":             "BucketName",
	"AWS::Logs::LogGroup":         "LogGroupName",
	"AWS::SNS::Topic":             "TopicName",
	"AWS::SES::ConfigurationSet":  "Name",
	"AWS::SES::EmailIdentity":     "EmailIdentity",
}

func (s *scope) physicalName(r *resource) (string, error) {
	key := "name " + r.id
	if s.evaluating[key] {
		return "", r.at.errorf("the name of %s needs itself", r.id)
	}
	s.evaluating[key] = true
	defer delete(s.evaluating, key)
	v, err := s.property(r, nameProperty[r.kind])
	if err != nil {
		return "", err
	}
	if name, ok := v.(string); ok {
		return name, nil
	}
	if r.kind == "AWS::S3::Bucket" {
		return strings.ToLower(s.stackName + "-" + r.id), nil
	}
	return s.stackName + "-" + r.id, nil
}

// physicalID is the value of Ref.
func (s *scope) physicalID(r *resource) (any, error) {
	name, err := s.physicalName(r)
	switch r.kind {
	case "AWS::SQS::Queue":
		return fmt.Sprintf("%s/%s/%s", s.opts.Endpoint, s.opts.AccountID, name), err
	case "AWS::SecretsManager::Secret":
		return s.secretARN(name), err
	case "AWS::SNS::Topic":
		return s.arn("sns", name), err
	}
	return name, err
}

// attribute is the value of GetAtt. Attributes of resources that only AWS has (a
// database cluster, a network) are placeholders: the local stack replaces the
// values that contain them.
func (s *scope) attribute(r *resource, name string) (any, error) {
	physical, err := s.physicalName(r)
	if err != nil {
		return nil, err
	}
	switch r.kind + " " + name {
	case "AWS::Serverless::Function Arn":
		return s.arn("lambda", "function:"+physical), nil
	case "AWS::SQS::Queue Arn":
		return s.arn("sqs", physical), nil
	case "AWS::SQS::Queue QueueName":
		return physical, nil
	case "AWS::SQS::Queue QueueUrl":
		return s.physicalID(r)
	case "AWS::DynamoDB::Table Arn":
		return s.arn("dynamodb", "table/"+physical), nil
	case "AWS::S3::Bucket Arn":
		return "arn:aws:s3:::" + physical, nil
	case "AWS::SecretsManager::Secret Id":
		return s.secretARN(physical), nil
	}
	return r.id + "." + name, nil
}

func (s *scope) arn(service, rest string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, s.opts.Region, s.opts.AccountID, rest)
}

func (s *scope) secretARN(name string) string {
	return s.arn("secretsmanager", "secret:"+name+"-LOCAL1")
}

// property evaluates one property, nil when there is none. Properties that a
// function lacks are taken from Globals.
func (s *scope) property(r *resource, name string) (any, error) {
	v, ok := r.properties[name]
	at := r.at.in(name)
	if !ok && r.kind == "AWS::Serverless::Function" {
		v, at = s.globals[name], position{s.file, "Globals.Function." + name}
	}
	v, err := s.eval(v, at)
	if _, drop := v.(noValue); drop {
		return nil, err
	}
	return v, err
}

// decode evaluates the properties that the fields of into name, and stores them.
// into is a pointer to a struct.
func (s *scope) decode(r *resource, into any, names ...string) error {
	values := map[string]any{}
	for _, name := range names {
		v, err := s.property(r, name)
		if err != nil {
			return err
		}
		if v != nil {
			values[name] = v
		}
	}
	return fill(values, into, r.at)
}

func fill(values, into any, at position) error {
	data, err := json.Marshal(values)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return at.errorf("%w", err)
	}
	return nil
}
