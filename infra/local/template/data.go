package template

func (t *Template) addQueue(s *scope, r *resource) error {
	name, err := s.physicalName(r)
	if err != nil {
		return err
	}
	p := struct {
		VisibilityTimeout             number
		DelaySeconds                  number
		MessageRetentionPeriod        number
		ReceiveMessageWaitTimeSeconds number
		MaximumMessageSize            number
		FifoQueue                     truth
		RedrivePolicy                 struct {
			DeadLetterTargetArn string `json:"deadLetterTargetArn"`
			MaxReceiveCount     number `json:"maxReceiveCount"`
		}
	}{VisibilityTimeout: 30, MessageRetentionPeriod: 4 * 24 * 3600, MaximumMessageSize: 1 << 20}
	err = s.decode(r, &p, "VisibilityTimeout", "DelaySeconds", "MessageRetentionPeriod",
		"ReceiveMessageWaitTimeSeconds", "MaximumMessageSize", "FifoQueue", "RedrivePolicy")
	if err != nil {
		return err
	}
	if p.FifoQueue {
		return r.at.errorf("the local stack has standard queues only, no FifoQueue")
	}
	t.Queues = append(t.Queues, Queue{
		LogicalID:         r.id,
		Name:              name,
		VisibilityTimeout: p.VisibilityTimeout.seconds(),
		Delay:             p.DelaySeconds.seconds(),
		Retention:         p.MessageRetentionPeriod.seconds(),
		ReceiveWait:       p.ReceiveMessageWaitTimeSeconds.seconds(),
		MaxMessageBytes:   int(p.MaximumMessageSize),
		DeadLetterQueue:   lastOfARN(p.RedrivePolicy.DeadLetterTargetArn),
		MaxReceiveCount:   int(p.RedrivePolicy.MaxReceiveCount),
	})
	return nil
}

// keySchema is how CloudFormation writes a key.
type keySchema []struct{ AttributeName, KeyType string }

type indexProperties []struct {
	IndexName  string
	KeySchema  keySchema
	Projection struct {
		ProjectionType   string
		NonKeyAttributes []string
	}
}

func (t *Template) addTable(s *scope, r *resource) error {
	name, err := s.physicalName(r)
	if err != nil {
		return err
	}
	var p struct {
		AttributeDefinitions    []struct{ AttributeName, AttributeType string }
		KeySchema               keySchema
		GlobalSecondaryIndexes  indexProperties
		LocalSecondaryIndexes   indexProperties
		TimeToLiveSpecification struct {
			AttributeName string
			Enabled       truth
		}
	}
	if err := s.decode(r, &p, "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes",
		"LocalSecondaryIndexes", "TimeToLiveSpecification"); err != nil {
		return err
	}
	types := map[string]string{}
	for _, a := range p.AttributeDefinitions {
		types[a.AttributeName] = a.AttributeType
	}
	table := Table{LogicalID: r.id, Name: name}
	if table.Keys, err = keys(p.KeySchema, types, r.at.in("KeySchema")); err != nil {
		return err
	}
	for i, list := range []indexProperties{p.GlobalSecondaryIndexes, p.LocalSecondaryIndexes} {
		indexes, err := list.indexes(types, i == 1, r.at)
		if err != nil {
			return err
		}
		table.Indexes = append(table.Indexes, indexes...)
	}
	if p.TimeToLiveSpecification.Enabled {
		table.TTL = p.TimeToLiveSpecification.AttributeName
	}
	t.Tables = append(t.Tables, table)
	return nil
}

func (list indexProperties) indexes(types map[string]string, local bool, at position) ([]Index, error) {
	var out []Index
	for _, x := range list {
		key, err := keys(x.KeySchema, types, at.in(x.IndexName))
		if err != nil {
			return nil, err
		}
		out = append(out, Index{
			Name: x.IndexName, Keys: key, Projection: x.Projection.ProjectionType, NonKey: x.Projection.NonKeyAttributes, Local: local,
		})
	}
	return out, nil
}

func keys(schema keySchema, types map[string]string, at position) ([]Key, error) {
	var list []Key
	for _, k := range schema {
		kind, ok := types[k.AttributeName]
		if !ok {
			return nil, at.errorf("key %q is missing in AttributeDefinitions", k.AttributeName)
		}
		key := Key{k.AttributeName, kind}
		if k.KeyType == "HASH" {
			list = append([]Key{key}, list...)
		} else {
			list = append(list, key)
		}
	}
	if len(list) == 0 || len(list) > 2 {
		return nil, at.errorf("a key has one or two attributes, not %d", len(list))
	}
	return list, nil
}

func (t *Template) addSecret(s *scope, r *resource) error {
	name, err := s.physicalName(r)
	if err != nil {
		return err
	}
	var p struct {
		SecretString         string
		GenerateSecretString *GenerateSecret
	}
	if err := s.decode(r, &p, "SecretString"); err != nil {
		return err
	}
	if r.properties["GenerateSecretString"] != nil {
		p.GenerateSecretString = &GenerateSecret{PasswordLength: 32, RequireEachIncludedType: true}
		if err := s.decode(r, &p, "GenerateSecretString"); err != nil {
			return err
		}
	}
	t.Secrets = append(t.Secrets, Secret{
		LogicalID: r.id, Name: name, ARN: s.secretARN(name), Value: p.SecretString, Generate: p.GenerateSecretString,
	})
	return nil
}

func (t *Template) addBucket(s *scope, r *resource) error {
	name, err := s.physicalName(r)
	t.Buckets = append(t.Buckets, Bucket{r.id, name})
	return err
}
