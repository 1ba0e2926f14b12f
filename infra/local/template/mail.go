package template

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// SES is how mail is sent and where the reports of what became of it go.
type SES struct {
	Identities        []Identity
	ConfigurationSets []ConfigurationSet
	Subscriptions     []Subscription
	topics            []string // their ARNs
	statements        []statement
}

// Identity is a domain from which mail is sent.
type Identity struct {
	Domain           string
	MailFrom         string
	ConfigurationSet string // of mail that names none
}

// ConfigurationSet is the settings of one kind of mail.
type ConfigurationSet struct {
	Name              string
	SuppressedReasons []string
	Destinations      []EventDestination
}

// EventDestination sends the events of a configuration set to a topic.
type EventDestination struct {
	Name     string
	Events   []string // such as deliveryDelay
	TopicARN string
}

// Subscription hands what comes to a topic to a queue.
type Subscription struct {
	TopicARN string
	Queue    string // physical name
	Raw      bool   // without SNS's envelope
}

func (t *Template) addTopic(s *scope, r *resource) error {
	arn, err := s.physicalID(r)
	t.SES.topics = append(t.SES.topics, fmt.Sprint(arn))
	return err
}

func (t *Template) addSubscription(s *scope, r *resource) error {
	var p struct {
		TopicArn, Protocol, Endpoint string
		RawMessageDelivery           truth
		FilterPolicy                 any
	}
	if err := s.decode(r, &p, "TopicArn", "Protocol", "Endpoint", "RawMessageDelivery", "FilterPolicy"); err != nil {
		return err
	}
	if p.Protocol != "sqs" {
		return nil // nobody is told of alarms locally
	}
	if p.FilterPolicy != nil {
		return r.at.errorf("the local stack does not understand FilterPolicy")
	}
	t.SES.Subscriptions = append(t.SES.Subscriptions, Subscription{p.TopicArn, lastOfARN(p.Endpoint), bool(p.RawMessageDelivery)})
	return nil
}

func (t *Template) addIdentity(s *scope, r *resource) error {
	var p struct {
		EmailIdentity              string
		MailFromAttributes         struct{ MailFromDomain string }
		ConfigurationSetAttributes struct{ ConfigurationSetName string }
	}
	if err := s.decode(r, &p, "EmailIdentity", "MailFromAttributes", "ConfigurationSetAttributes"); err != nil {
		return err
	}
	t.SES.Identities = append(t.SES.Identities, Identity{p.EmailIdentity, p.MailFromAttributes.MailFromDomain, p.ConfigurationSetAttributes.ConfigurationSetName})
	return nil
}

func (t *Template) addConfigurationSet(s *scope, r *resource) error {
	name, err := s.physicalName(r)
	if err != nil {
		return err
	}
	var p struct {
		SuppressionOptions struct{ SuppressedReasons []string }
	}
	if err := s.decode(r, &p, "SuppressionOptions"); err != nil {
		return err
	}
	set := t.SES.configurationSet(name)
	set.SuppressedReasons = p.SuppressionOptions.SuppressedReasons
	return nil
}

// configurationSet returns the one of that name, new if it was not read yet.
func (m *SES) configurationSet(name string) *ConfigurationSet {
	i := slices.IndexFunc(m.ConfigurationSets, func(c ConfigurationSet) bool { return c.Name == name })
	if i < 0 {
		i = len(m.ConfigurationSets)
		m.ConfigurationSets = append(m.ConfigurationSets, ConfigurationSet{Name: name})
	}
	return &m.ConfigurationSets[i]
}

func (t *Template) addEventDestination(s *scope, r *resource) error {
	var p struct {
		ConfigurationSetName string
		EventDestination     struct {
			Name               string
			Enabled            truth
			MatchingEventTypes []string
			SnsDestination     struct{ TopicARN string }
		}
	}
	if err := s.decode(r, &p, "ConfigurationSetName", "EventDestination"); err != nil {
		return err
	}
	d := p.EventDestination
	if d.SnsDestination.TopicARN == "" {
		return r.at.errorf("the local stack sends events of mail to SNS only")
	}
	if d.Enabled {
		set := t.SES.configurationSet(p.ConfigurationSetName)
		set.Destinations = append(set.Destinations, EventDestination{d.Name, d.MatchingEventTypes, d.SnsDestination.TopicARN})
	}
	return nil
}

// statement is one of a policy of a topic or queue.
type statement struct {
	Effect           string
	Principal        struct{ Service oneOrMore }
	Action, Resource oneOrMore
	Condition        map[string]map[string]oneOrMore
}

func (t *Template) addPolicy(s *scope, r *resource) error {
	var p struct {
		PolicyDocument struct{ Statement []statement }
	}
	if err := s.decode(r, &p, "PolicyDocument"); err != nil {
		return err
	}
	t.SES.statements = append(t.SES.statements, p.PolicyDocument.Statement...)
	return nil
}

// admits reports whether a policy lets a service do something on behalf of source.
func (m *SES) admits(service, action, resource, source, account string) bool {
	return slices.ContainsFunc(m.statements, func(p statement) bool {
		return p.Effect == "Allow" && slices.Contains(p.Principal.Service, service) && slices.Contains(p.Action, action) &&
			slices.Contains(p.Resource, resource) && p.holds(map[string]string{"aws:SourceArn": source, "aws:SourceAccount": account})
	})
}

// holds compares the conditions. A key that is not in the call, and a test that is
// not known, do not hold.
func (p statement) holds(call map[string]string) bool {
	for test, keys := range p.Condition {
		for key, patterns := range keys {
			matches := slices.ContainsFunc(patterns, func(pattern string) bool {
				switch test {
				case "StringEquals", "ArnEquals":
					return pattern == call[key]
				case "StringLike", "ArnLike":
					ok, err := path.Match(strings.ReplaceAll(pattern, "/", ":"), strings.ReplaceAll(call[key], "/", ":"))
					return ok && err == nil
				}
				return false
			})
			if !matches {
				return false
			}
		}
	}
	return true
}

// check finds the places at which events of mail would be lost.
func (m *SES) check(queues map[string]bool, opts *Options) error {
	sets := map[string]bool{}
	for _, set := range m.ConfigurationSets {
		sets[set.Name] = true
		for _, d := range set.Destinations {
			source := fmt.Sprintf("arn:aws:ses:%s:%s:configuration-set/%s", opts.Region, opts.AccountID, set.Name)
			if !slices.Contains(m.topics, d.TopicARN) || !m.admits("ses.amazonaws.com", "sns:Publish", d.TopicARN, source, opts.AccountID) {
				return fmt.Errorf("the configuration set %s may not publish to the topic %s: the topic's policy must admit it", set.Name, d.TopicARN)
			}
		}
	}
	for _, i := range m.Identities {
		if i.ConfigurationSet != "" && !sets[i.ConfigurationSet] {
			return fmt.Errorf("the identity %s has the configuration set %s, which the templates do not define", i.Domain, i.ConfigurationSet)
		}
	}
	for _, sub := range m.Subscriptions {
		arn := fmt.Sprintf("arn:aws:sqs:%s:%s:%s", opts.Region, opts.AccountID, sub.Queue)
		if !queues[sub.Queue] || !m.admits("sns.amazonaws.com", "sqs:SendMessage", arn, sub.TopicARN, opts.AccountID) {
			return fmt.Errorf("the topic %s may not send to the queue %s: the queue's policy must admit it", sub.TopicARN, sub.Queue)
		}
	}
	return nil
}
