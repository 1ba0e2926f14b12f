package audit

import (
	"slices"
	"strings"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/audit/stream"
	"portico/shared/fault"
	"portico/shared/id"
)

// StreamSettings say where the other side is: only the member of the stream's type may
// be sent. It is exported because huma describes only embedded structs that are exported.
type StreamSettings struct {
	HTTPS   *httpsSettings   `json:"https,omitempty" doc:"For the type https: a server of yours."`
	Splunk  *splunkSettings  `json:"splunk_hec,omitempty" doc:"For the type splunk_hec: an HTTP Event Collector of Splunk."`
	Datadog *datadogSettings `json:"datadog,omitempty" doc:"For the type datadog: Datadog's logs."`
	S3      *s3Settings      `json:"s3,omitempty" doc:"For the type s3: a bucket of yours."`
}

type httpsSettings struct {
	URL string `json:"url" maxLength:"2048" doc:"Where entries are sent to: absolute, with https." example:"https://siem.example.com/portico"`
}

type splunkSettings struct {
	URL   *string `json:"url,omitempty" maxLength:"2048" doc:"#SplunkSettings.url" example:"https://http-inputs-acme.splunkcloud.com"`
	Token *string `json:"token,omitempty" minLength:"1" maxLength:"200" pattern:"^[!-~]+$" patternDescription:"characters of ASCII without spaces" doc:"The token of the collector. It is never shown." example:"b5a79aab-d822-46cc-80d1-819f80d7bfb0"`
	Index *string `json:"index,omitempty" maxLength:"100" pattern:"^([a-z0-9_][a-z0-9_-]*)?$" patternDescription:"lower-case letters, digits, - and _, or empty" doc:"The index; empty: that of the token." example:"security"`
}

type datadogSettings struct {
	Site   *string `json:"site,omitempty" enum:"datadoghq.com,us3.datadoghq.com,us5.datadoghq.com,datadoghq.eu,ap1.datadoghq.com,ap2.datadoghq.com,ddog-gov.com" doc:"Your site of Datadog, as in its address." example:"datadoghq.eu"`
	APIKey *string `json:"api_key,omitempty" minLength:"1" maxLength:"200" pattern:"^[!-~]+$" patternDescription:"characters of ASCII without spaces" doc:"An API key of Datadog. It is never shown." example:"0123456789abcdef0123456789abcdef"`
}

type s3Settings struct {
	Bucket  *string `json:"bucket,omitempty" maxLength:"63" pattern:"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$" patternDescription:"3 to 63 lower-case letters, digits and hyphens" doc:"The bucket's name." example:"acme-audit-log"`
	Region  *string `json:"region,omitempty" maxLength:"30" pattern:"^[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}$" patternDescription:"a region of AWS such as eu-central-1" doc:"The bucket's region." example:"eu-central-1"`
	RoleARN *string `json:"role_arn,omitempty" maxLength:"600" pattern:"^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$" patternDescription:"the ARN of a role" doc:"#BucketSettings.role_arn" example:"arn:aws:iam::123456789012:role/portico-audit-log"`
	Prefix  *string `json:"prefix,omitempty" maxLength:"200" pattern:"^([A-Za-z0-9!_.*'()/-]*)$" patternDescription:"letters, digits and any of !_.*'()/-" doc:"What keys of objects begin with; empty: nothing." example:"portico/"`
}

// ShownSettings are settings without secrets.
type ShownSettings struct {
	HTTPS   *shownHTTPS   `json:"https" doc:"The settings of the type https; null for another type."`
	Splunk  *shownSplunk  `json:"splunk_hec" doc:"The settings of the type splunk_hec; null for another type."`
	Datadog *shownDatadog `json:"datadog" doc:"The settings of the type datadog; null for another type."`
	S3      *shownS3      `json:"s3" doc:"The settings of the type s3; null for another type."`
}

type shownHTTPS struct {
	_   struct{} `nullable:"true"`
	URL string   `json:"url" doc:"Where entries are sent to." example:"https://siem.example.com/portico"`
}

type shownSplunk struct {
	_     struct{} `nullable:"true"`
	URL   string   `json:"url" doc:"The address of the collector." example:"https://http-inputs-acme.splunkcloud.com"`
	Index string   `json:"index" doc:"The index; empty: that of the token." example:"security"`
}

type shownDatadog struct {
	_    struct{} `nullable:"true"`
	Site string   `json:"site" doc:"The site of Datadog." example:"datadoghq.eu"`
}

type shownS3 struct {
	_          struct{} `nullable:"true"`
	Bucket     string   `json:"bucket" doc:"The bucket's name." example:"acme-audit-log"`
	Region     string   `json:"region" doc:"The bucket's region." example:"eu-central-1"`
	RoleARN    string   `json:"role_arn" doc:"The role with which Portico writes." example:"arn:aws:iam::123456789012:role/portico-audit-log"`
	ExternalID string   `json:"external_id" doc:"What the role must ask for: the id of your organization." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Prefix     string   `json:"prefix" doc:"What keys of objects begin with." example:"portico/"`
}

func showSettings(s stream.Stream) (b ShownSettings) {
	switch s.Type {
	case stream.HTTPS:
		b.HTTPS = &shownHTTPS{URL: s.Settings.URL}
	case stream.SplunkHEC:
		b.Splunk = &shownSplunk{URL: s.Settings.URL, Index: s.Settings.Index}
	case stream.Datadog:
		b.Datadog = &shownDatadog{Site: s.Settings.Site}
	case stream.S3:
		to := s.Settings
		b.S3 = &shownS3{Bucket: to.Bucket, Region: to.Region, RoleARN: to.RoleARN, ExternalID: to.ExternalID, Prefix: to.Prefix}
	}
	return b
}

// given returns the types whose member was sent.
func (b *StreamSettings) given() (types []string) {
	for _, one := range []struct {
		name string
		is   bool
	}{{stream.HTTPS, b.HTTPS != nil}, {stream.SplunkHEC, b.Splunk != nil}, {stream.Datadog, b.Datadog != nil}, {stream.S3, b.S3 != nil}} {
		if one.is {
			types = append(types, one.name)
		}
	}
	return types
}

// checkType wants the member of the type of a new stream, and no other one.
func (b *StreamSettings) checkType(of string) error {
	given := b.given()
	var faults []error
	if !slices.Contains(given, of) && slices.Contains([]string{stream.HTTPS, stream.SplunkHEC, stream.Datadog, stream.S3}, of) {
		faults = append(faults, fault.InvalidField("body."+of, "is missing: a stream of the type "+of+" needs it"))
	}
	for _, other := range given {
		if other != of {
			faults = append(faults, fault.InvalidField("body."+other, "belongs to another type: send only the member with the name of the type"))
		}
	}
	return fault.Join(faults...)
}

// check checks what a schema cannot. If the stream is new, nothing may be missing.
func (b *StreamSettings) check(c *edge.Call, isNew bool) error {
	var faults []error
	url := func(location string, raw *string) {
		if raw == nil {
			return
		}
		if err := c.Egress.CheckURL(*raw); err != nil {
			faults = append(faults, fault.InvalidField(location, err.Error()))
		}
	}
	need := func(location string, given bool) {
		if isNew && !given {
			faults = append(faults, fault.InvalidField(location, "is missing"))
		}
	}
	if b.HTTPS != nil {
		url("body.https.url", &b.HTTPS.URL)
	}
	if s := b.Splunk; s != nil {
		need("body.splunk_hec.url", s.URL != nil)
		need("body.splunk_hec.token", s.Token != nil)
		url("body.splunk_hec.url", s.URL)
	}
	if s := b.Datadog; s != nil {
		need("body.datadog.site", s.Site != nil)
		need("body.datadog.api_key", s.APIKey != nil)
	}
	if s := b.S3; s != nil {
		need("body.s3.bucket", s.Bucket != nil)
		need("body.s3.region", s.Region != nil)
		need("body.s3.role_arn", s.RoleARN != nil)
	}
	return fault.Join(faults...)
}

// settings returns the settings with what was sent.
func (b *StreamSettings) settings(s stream.Settings) stream.Settings {
	set := func(to, from *string) {
		if from != nil {
			*to = *from
		}
	}
	switch {
	case b.HTTPS != nil:
		s.URL = b.HTTPS.URL
	case b.Splunk != nil:
		set(&s.URL, b.Splunk.URL)
		set(&s.Index, b.Splunk.Index)
	case b.Datadog != nil:
		set(&s.Site, b.Datadog.Site)
	case b.S3 != nil:
		set(&s.Bucket, b.S3.Bucket)
		set(&s.Region, b.S3.Region)
		set(&s.RoleARN, b.S3.RoleARN)
		set(&s.Prefix, b.S3.Prefix)
	}
	return s
}

// secret returns the token or key that was sent; "": none.
func (b *StreamSettings) secret() string {
	switch {
	case b.Splunk != nil && b.Splunk.Token != nil:
		return *b.Splunk.Token
	case b.Datadog != nil && b.Datadog.APIKey != nil:
		return *b.Datadog.APIKey
	}
	return ""
}

// StreamFilter selects entries. It is exported because huma describes only embedded
// structs that are exported.
type StreamFilter struct {
	Categories *[]string `json:"categories,omitempty" maxItems:"4" nullable:"false" enum:"security,configuration,access,data" doc:"Only entries of these categories; empty: all." example:"[\"security\"]"`
	Actions    *[]string `json:"actions,omitempty" maxItems:"100" nullable:"false" maxLength:"100" pattern:"^[a-z_]+\\.(\\*|[a-z_]+)$" patternDescription:"an action such as webhook_endpoint.update, or webhook_endpoint.* for every action on an endpoint" doc:"Only entries with these actions; empty: all. See /v1/audit-actions." example:"[\"api_key.*\"]"`
	Outcomes   *[]string `json:"outcomes,omitempty" maxItems:"2" nullable:"false" enum:"success,failure" doc:"Only entries with these outcomes; empty: all." example:"[\"failure\"]"`
}

// check refuses actions that do not exist, because a stream that selects nothing looks
// like one that works.
func (f *StreamFilter) check() error {
	if f.Actions == nil {
		return nil
	}
	for _, action := range *f.Actions {
		if !isAction(action) {
			return fault.InvalidField("body.actions", "has an action that does not exist, "+action+": see /v1/audit-actions")
		}
	}
	return nil
}

func isAction(name string) bool {
	noun, all := strings.CutSuffix(name, "*")
	return slices.ContainsFunc(audit.Actions(), func(a audit.Action) bool {
		return a.Name == name || all && strings.HasPrefix(a.Name, noun)
	})
}

func (f *StreamFilter) isEmpty() bool {
	return f.Categories == nil && f.Actions == nil && f.Outcomes == nil
}

// filter returns the filter with what was sent.
func (f *StreamFilter) filter(to stream.Filter) stream.Filter {
	for _, one := range []struct {
		to   *[]string
		from *[]string
	}{{&to.Categories, f.Categories}, {&to.Actions, f.Actions}, {&to.Outcomes, f.Outcomes}} {
		if one.from != nil {
			*one.to = append([]string{}, slices.Compact(slices.Sorted(slices.Values(*one.from)))...)
		}
	}
	return to
}

// streamFields are what the audit log shows of a stream. Of its secret it shows only
// that it was set.
func streamFields(s stream.Stream, newSecret bool) audit.Fields {
	f := audit.Fields{
		"name": s.Name, "type": s.Type, "status": s.Status, "categories": s.Filter.Categories, "actions": s.Filter.Actions, "outcomes": s.Filter.Outcomes,
	}
	for name, value := range map[string]string{
		"url": s.Settings.URL, "index": s.Settings.Index, "site": s.Settings.Site, "bucket": s.Settings.Bucket, "region": s.Settings.Region,
		"role_arn": s.Settings.RoleARN, "external_id": s.Settings.ExternalID, "prefix": s.Settings.Prefix,
	} {
		if value != "" {
			f[name] = value
		}
	}
	if s.PauseReason != nil {
		f["pause_reason"] = *s.PauseReason
	}
	if newSecret {
		f["secret"] = audit.Changed
	}
	return f
}

func streamTarget(of id.AuditStream) audit.Target { return audit.Of("audit_stream", of) }
