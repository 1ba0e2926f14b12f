package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"portico/shared/api/apitest"
)

// arrangements prepare what an operation needs for a success, or for the status after
// its name, and return the value of its path's parameter and its body; "": as usual.
var arrangements = map[string]func(*statuses) (parameter, body string){
	"revokeAPIKey":          func(s *statuses) (string, string) { return s.key(), "" },
	"rotateAPIKey":          func(s *statuses) (string, string) { return s.key(), "" },
	"updateAPIKey":          func(s *statuses) (string, string) { return s.key(), "" },
	"deleteWebhookEndpoint": func(s *statuses) (string, string) { return s.endpoint(), "" },
	"setStaff": func(*statuses) (string, string) {
		return "", `{"email":"person@example.com","name":"Ann","level":"support"}`
	},
	"deleteMember": func(s *statuses) (string, string) { return s.acme.NewMember("gone@example.com", "viewer"), "" },
	"deleteInvitation": func(s *statuses) (string, string) {
		return s.acme.Make("/v1/invitations", `{"email":"gone@example.com","role":"viewer"}`), ""
	},
	"deleteDomain": func(s *statuses) (string, string) {
		return s.acme.Make("/v1/domains", `{"name":"gone.example.com"}`), ""
	},
	"deleteRole": func(s *statuses) (string, string) {
		return s.acme.Make("/v1/roles", `{"name":"gone","permissions":["events:read"]}`), ""
	},
	"deleteEventType": func(s *statuses) (string, string) {
		s.acme.Do("POST", "/v1/event-types", `{"name":"gone.done"}`)
		return "gone.done", ""
	},
	"expungeEvent": func(s *statuses) (string, string) {
		return s.acme.Publish(`{"type":"a","data":{}}`).Get(s.t, "id"), ""
	},
	"cancelAuditExport": func(s *statuses) (string, string) {
		return s.acme.Make("/v1/audit-exports", `{"format":"csv"}`), ""
	},
	"createAuditExportSchedule": func(s *statuses) (string, string) {
		return "", `{"every":"day","format":"csv","member_id":"` + s.acme.NewMember("auditor@example.com", "owner") + `"}`
	},
	"updateAuditExportSchedule": func(s *statuses) (string, string) { return s.exportSchedule(), `{"format":"csv"}` },
	"deleteAuditExportSchedule": func(s *statuses) (string, string) { return s.exportSchedule(), "" },
	"createErasure":             func(*statuses) (string, string) { return "", `{"filter":"data.customer == 1"}` },
	"cancelErasure": func(s *statuses) (string, string) {
		return s.acme.Make("/v1/erasures", `{"filter":"data.customer == 1"}`), ""
	},
	"deleteOrganization": func(s *statuses) (string, string) { return s.spare.Org.String(), "" },
	"updateOrganization": func(*statuses) (string, string) { return "", `{"name":"Acme"}` },
	"updateNamedOrganization": func(*statuses) (string, string) {
		return "", `{"name":"Acme"}`
	},
	"verifyDomain": func(s *statuses) (string, string) {
		made := s.acme.Make("/v1/domains", `{"name":"proved.example.com"}`)
		s.acme.Prove("/v1/domains/" + made)
		return made, ""
	},
	"resumeOrderingKey": func(s *statuses) (string, string) {
		endpoint := s.endpoint()
		s.acme.Exec(`INSERT INTO webhook_paused_key (org_id, endpoint_id, ordering_key, event_id, paused_at)
			SELECT e.org_id, e.id, 'customer_42', v.id, portico_now() FROM webhook_endpoint e JOIN event v ON v.org_id = e.org_id ORDER BY e.created_at DESC LIMIT 1`)
		return endpoint, ""
	},
	"deleteEventConsumer": func(s *statuses) (string, string) {
		return s.acme.Make("/v1/event-consumers", `{"name":"gone","event_types":["*"]}`), ""
	},
	"createDirectory": func(s *statuses) (string, string) {
		return s.acme.Make("/v1/sso-connections", `{"type":"saml","name":"Okta"}`), "{}"
	},
	"getDirectory":         func(s *statuses) (string, string) { return directed(s.acme), "" },
	"updateDirectory":      func(s *statuses) (string, string) { return directed(s.acme), "{}" },
	"rotateDirectoryToken": func(s *statuses) (string, string) { return directed(s.acme), "" },
	"deleteDirectory":      func(s *statuses) (string, string) { return directed(s.acme), "" },
	"createSSOSetupLink": func(s *statuses) (string, string) {
		return s.acme.Make("/v1/sso-connections", `{"type":"saml","name":"Okta"}`), ""
	},
	"deleteSSOConnection": func(s *statuses) (string, string) {
		return s.acme.Make("/v1/sso-connections", `{"type":"saml","name":"gone"}`), ""
	},
	"activateSSOConnection": func(s *statuses) (string, string) {
		s.acme.Prove("/v1/domains/" + s.acme.Make("/v1/domains", `{"name":"sso.example.com"}`))
		s.acme.Exec(`UPDATE domain SET verified_at = portico_now() WHERE name = 'sso.example.com'`)
		return s.acme.Make("/v1/sso-connections", `{"type":"oidc","name":"Okta","issuer":"https://idp.example.com","client_id":"c","client_secret":"s","domains":["sso.example.com"]}`), ""
	},
	"deleteOAuthClient": func(s *statuses) (string, string) { return s.acme.NewApp(`"events:read"`).String(), "" },
	"deleteAuditStream": func(s *statuses) (string, string) {
		return s.acme.Make("/v1/audit-streams", apitest.HTTPSStream), ""
	},
	"replayAuditStream": func(s *statuses) (string, string) {
		made := s.acme.Make("/v1/audit-streams", apitest.HTTPSStream)
		s.acme.Exec(`INSERT INTO audit_head (org_id, number, hash) SELECT org_id, 1, decode(repeat('00', 32), 'hex') FROM audit_stream ON CONFLICT DO NOTHING`)
		s.acme.Exec(`UPDATE audit_stream SET reached = 1`)
		return made, `{"from":1}`
	},
	"acknowledgeEventStream": func(s *statuses) (string, string) {
		s.acme.Make("/v1/event-consumers", `{"name":"reader","event_types":["*"]}`)
		s.acme.Publish(`{"type":"a","data":{}}`)
		s.acme.Do("GET", "/v1/event-stream?consumer=reader", "")
		return "", `{"consumer":"reader","position":1}`
	},

	// The default limits: lower ones would refuse the calls that follow.
	"setAPIKeyLimit":       func(*statuses) (string, string) { return "", `{"limit":60000000}` },
	"setOrganizationLimit": func(*statuses) (string, string) { return "", `{"limit":60000000}` },

	"cancelJob":               func(s *statuses) (string, string) { return s.acme.NewJob(apitest.Export, "x").String(), "" },
	"cancelAnyJob":            func(s *statuses) (string, string) { return s.acme.NewJob(apitest.Export, "x").String(), "" },
	"dropJob":                 func(s *statuses) (string, string) { return s.deadJob(), "" },
	"redriveJob":              func(s *statuses) (string, string) { return s.deadJob(), "" },
	"createJobRedrive":        func(*statuses) (string, string) { return "", `{"filter":{}}` },
	"recoverWebhookEndpoint":  func(s *statuses) (string, string) { return s.endpoint(), `{"since":"2026-01-01T00:00:00Z"}` },
	"replayToWebhookEndpoint": func(s *statuses) (string, string) { return s.endpoint(), `{"since":"2026-01-01T00:00:00Z"}` },
	"cancelRecovery": func(s *statuses) (string, string) {
		return s.acme.Make("/v1/webhook-endpoints/"+s.endpoint()+"/recover", `{"since":"2026-01-01T00:00:00Z"}`), ""
	},
	"cancelJobRedrive": func(s *statuses) (string, string) {
		return s.acme.Make("/v1/job-redrives", `{"filter":{}}`), ""
	},
	"cancelRedriveOfAllJobs": func(s *statuses) (string, string) {
		return s.staff.Make("/v1/staff/job-redrives", `{"filter":{}}`), ""
	},
	"resumeJobKind": func(s *statuses) (string, string) {
		s.staff.Do("POST", "/v1/staff/job-kinds/"+apitest.Hidden.Name+"/pause", `{"reason":"test"}`)
		return "", ""
	},

	"removeMailSuppression": func(s *statuses) (string, string) {
		return s.staff.Make("/v1/staff/mail-suppressions", `{"recipient":"gone@example.com","reason":"test"}`), ""
	},
	"publishMailTemplate": func(s *statuses) (string, string) {
		return "", fmt.Sprintf(`{"locale":"de","version":%s}`, s.version())
	},
	"rollBackMailTemplate": func(s *statuses) (string, string) {
		body := fmt.Sprintf(`{"locale":"de","version":%s}`, s.version())
		s.staff.Do("POST", "/v1/staff/mail-templates/member_added/publish", body)
		return "", body
	},
	"sendTestMail": func(*statuses) (string, string) {
		return "", `{"locale":"de","to":"ada@example.com","version":"repository"}`
	},
	"leaveMyOrganization":     func(s *statuses) (string, string) { return joined(s.acme, "person@example.com", "viewer"), "" },
	"leaveMyOrganization 409": func(s *statuses) (string, string) { return joined(s.acme, "person@example.com", "owner"), "" },
	"reportMail":              func(s *statuses) (string, string) { return "", bounceOf(s.own["/v1/staff/mails"]) },
	"reportMail 404":          func(*statuses) (string, string) { return "", bounceOf("mail_01890000000000000000000000") },
	"createDmarcReport":       func(s *statuses) (string, string) { return "", s.dmarcReport() },
}

func (s *statuses) key() string {
	_, id := s.acme.NewKey(`{"name":"x","permissions":["events:read"]}`)
	return id
}

func (s *statuses) endpoint() string {
	id, _ := s.acme.NewEndpoint(`["x"]`)
	return id
}

func (s *statuses) exportSchedule() string {
	bucket := s.acme.Make("/v1/audit-streams", `{"name":"S3","type":"s3","s3":{"bucket":"acme-audit-log","region":"eu-central-1","role_arn":"arn:aws:iam::123456789012:role/portico"}}`)
	return s.acme.Make("/v1/audit-export-schedules", `{"every":"day","format":"ndjson","stream_id":"`+bucket+`"}`)
}

func (s *statuses) deadJob() string {
	id := s.acme.NewJob(apitest.Hidden, "bad").String()
	s.acme.DoJobs()
	return id
}

// version saves a version of a mail template and returns its number.
func (s *statuses) version() string {
	r := s.staff.Do("POST", "/v1/staff/mail-templates/member_added/versions",
		`{"html":"<p class=\"text\">{{.Data.Role}}</p>","locale":"de","subject":"{{.Data.Organization}}","text":"{{.Data.Role}}"}`)
	return r.Get(s.t, "version")
}

// bounceOf returns a report that a mail could not be delivered.
func bounceOf(mail string) string {
	report := "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n" +
		"Final-Recipient: rfc822; ada@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <" + mail + "@mail.example.com>\r\n\r\n--b--\r\n"
	return `{"message":"` + base64.StdEncoding.EncodeToString([]byte(report)) + `"}`
}

// dmarcReport returns the example's report, about yesterday: old ones are refused.
func (s *statuses) dmarcReport() string {
	example, _ := apitest.Published().Find("POST", "/v1/staff/dmarc-reports").Example.(map[string]any)
	text, _ := base64.StdEncoding.DecodeString(example["message"].(string))
	end := s.acme.Clock.Now().Add(-24 * time.Hour).Unix()
	text = regexp.MustCompile(`<begin>\d+</begin>`).ReplaceAll(text, fmt.Appendf(nil, "<begin>%d</begin>", end-86400))
	text = regexp.MustCompile(`<end>\d+</end>`).ReplaceAll(text, fmt.Appendf(nil, "<end>%d</end>", end))
	body, _ := json.Marshal(map[string]string{"message": base64.StdEncoding.EncodeToString(text)})
	return string(body)
}
