package audit

import "strings"

// The fields of things that several actions show.
const (
	apiKeyFields         = "name permissions allowed_ips expires_at revoked_at"
	memberFields         = "email name role locale"
	invitationFields     = "email role locale"
	roleFields           = "name description permissions condition"
	domainFields         = "name verified_at"
	organizationFields   = "name settings branding version"
	limitFields          = "staff_limit own_limit"
	suppressionFields    = "recipient cause note reason"
	templateFields       = "locale version note to"
	kindFields           = "paused_at pause_reason max_per_organization max_in_all"
	scheduleFields       = "cron timezone catch_up args enabled runs"
	typeFields           = "description group validation version archived"
	streamFields         = "name type status pause_reason categories actions outcomes url index site bucket region prefix role_arn external_id secret"
	exportScheduleFields = "every format filter stream_id member_id"
	consumerFields       = "name description event_types filter dead_letters_of"
	oauthClientFields    = "name kind redirect_uris permissions published"
	staffAccessFields    = "name reason member_id ends_at ended_at"
	staffFields          = "name level"
	suspensionFields     = "reason suspended_at"
	ssoFields            = "type name status issuer sso_url certificates metadata_url client_id client_secret domains default_role enforced break_glass_member_id"
	setupFields          = "setup_link_ends_at"
	recoveryFields       = "since until statuses event_types"
	directoryFields      = "group_roles token"
	directoryUserFields  = "user_name external_id email given_name family_name display_name active member_id"
	directoryGroupFields = "display_name external_id members"
	sessionFields        = "factors connection host reason"
	jobFields            = "kind status args cancel_requested_at reason"
	endpointFields       = "url event_types description status disabled_reason retry_policy retry_schedule timeout_seconds custom_headers " +
		"custom_header_values metadata filter rate_limit ordered exhaustion_policy signature_scheme client_certificate client_certificate_key"
)

// Who may do what, and the secrets by which it is proven.
var securityActions = []Action{
	define(Security, "api_key.create", "An API key was created.", "api_key", apiKeyFields),
	define(Security, "api_key.update", "An API key was changed.", "api_key", apiKeyFields),
	define(Security, "api_key.rotate", "An API key got a successor, and ends after an overlap.", "api_key", apiKeyFields),
	define(Security, "api_key.revoke", "An API key was revoked.", "api_key", apiKeyFields),
	define(Security, "api_key.use", "An API key was used that does not work: it is revoked or expired, or may not be used from the address.", "api_key", "reason"),
	define(Security, "staff_key.create", "A staff key was created.", "staff_key", "name permissions expires_at"),
	define(Security, "staff_key.revoke", "A staff key was revoked.", "staff_key", "revoked_at"),
	define(Security, "staff_key.use", "A staff key was used that does not work: it is revoked or expired.", "staff_key", "reason"),
	define(Security, "operation.call", "Something was called that neither changes nor reads records. Only refused calls are recorded.", "organization", ""),
	define(Security, "refusal.count", "More attempts of an actor were refused in a minute than the ten with an entry.", "api_key staff_key", "attempts minute"),
	define(Security, "member.create", "A member was added.", "member", memberFields),
	define(Security, "member.update", "A member was changed, such as the role.", "member", memberFields),
	define(Security, "member.delete", "A member was removed.", "member", memberFields),
	define(Security, "member.leave", "A member has left the organization.", "member", memberFields),
	define(Security, "member.revoke_sessions", "The sessions of a member in the organization were ended.", "member session", "sessions"),
	define(Security, "member.reset_factors", "The second factors of a member were removed.", "member", "reset"),
	define(Security, "invitation.create", "Somebody was invited to become a member.", "invitation", invitationFields),
	define(Security, "invitation.resend", "An invitation was mailed again, with a new link.", "invitation", invitationFields),
	define(Security, "invitation.revoke", "An invitation was taken back.", "invitation", invitationFields),
	define(Security, "invitation.accept", "Somebody has accepted an invitation, and is a member.", "invitation member", invitationFields),
	define(Security, "invitation.decline", "Whoever was invited has declined.", "invitation", invitationFields),
	define(Security, "role.create", "A role was created.", "role", roleFields),
	define(Security, "role.update", "A role was changed.", "role", roleFields),
	define(Security, "role.delete", "A role was deleted.", "role", roleFields),
	define(Security, "resource_grant.create", "A member was allowed something on a single object.", "resource_grant member webhook_endpoint event", "permission"),
	define(Security, "resource_grant.delete", "What a member was allowed on a single object was taken back.", "resource_grant member webhook_endpoint event", "permission"),
	define(Security, "oauth_client.create", "An OAuth client was registered.", "oauth_client", oauthClientFields),
	define(Security, "oauth_client.update", "An OAuth client was changed.", "oauth_client", oauthClientFields),
	define(Security, "oauth_client.rotate_secret", "An OAuth client got a new secret.", "oauth_client", "secret overlap_seconds"),
	define(Security, "oauth_client.delete", "An OAuth client was deleted. Its tokens work no more.", "oauth_client", oauthClientFields),
	define(Security, "oauth_grant.create", "A member has let an OAuth client in.", "oauth_grant", "client_id member_id scopes"),
	define(Security, "oauth_grant.revoke", "What a member had allowed an OAuth client was taken back, by a person, by the app, or because a token was used twice.", "oauth_grant", "client_id member_id scopes reason"),
	define(Security, "sso_connection.create", "A single sign-on connection was created.", "sso_connection", ssoFields),
	define(Security, "sso_connection.update", "A single sign-on connection was changed.", "sso_connection", ssoFields),
	define(Security, "sso_connection.activate", "A single sign-on connection was activated: people sign in by it.", "sso_connection", ssoFields),
	define(Security, "sso_connection.disable", "A single sign-on connection was disabled: nobody signs in by it any more.", "sso_connection", ssoFields),
	define(Security, "sso_connection.delete", "A single sign-on connection was deleted.", "sso_connection", ssoFields),
	define(Security, "sso_connection.create_setup_link", "A link was made with which somebody who is no member sets a single sign-on connection up.", "sso_connection", setupFields),
	define(Security, "sso_connection.open_setup_link", "The link to set a single sign-on connection up was opened.", "sso_connection", setupFields),
	define(Security, "sso_connection.delete_setup_link", "The link to set a single sign-on connection up was taken back.", "sso_connection", setupFields),
	define(Security, "staff_access.open", "A person of staff may enter the organization for a while.", "staff_access member", staffAccessFields),
	define(Security, "staff_access.end", "The access of a person of staff was ended.", "staff_access member", staffAccessFields),
	define(Security, "staff.set", "Somebody became staff, or got another name or level. Only the platform's log has this.", "user", staffFields),
	define(Security, "staff.enter", "A person of staff signed in. Only the platform's log has this.", "session", "factors"),
	define(Security, "staff.disable", "Somebody is not staff any more. Only the platform's log has this.", "user", staffFields),
	define(Security, "user.suspend", "A person may not sign in any more. Only the platform's log has this.", "user", suspensionFields),
	define(Security, "user.unsuspend", "A suspended person may sign in again. Only the platform's log has this.", "user", suspensionFields),
	define(Security, "directory.create", "A directory was created, by which an identity provider says who the members are.", "sso_connection", directoryFields),
	define(Security, "directory.update", "A directory was changed: which groups have which role.", "sso_connection", directoryFields),
	define(Security, "directory.rotate_token", "A directory got another token.", "sso_connection", directoryFields),
	define(Security, "directory.delete", "A directory was deleted. Its members stay.", "sso_connection", directoryFields),
	define(Security, "directory_user.create", "A directory has a new person.", "directory_user sso_connection", directoryUserFields),
	define(Security, "directory_user.update", "A person of a directory was changed, or is active or not any more.", "directory_user sso_connection", directoryUserFields),
	define(Security, "directory_user.delete", "A person was removed from a directory.", "directory_user sso_connection", directoryUserFields),
	define(Security, "directory_group.create", "A directory has a new group.", "directory_group sso_connection", directoryGroupFields),
	define(Security, "directory_group.update", "A group of a directory was changed, or who is in it.", "directory_group sso_connection", directoryGroupFields),
	define(Security, "directory_group.delete", "A group was removed from a directory.", "directory_group sso_connection", directoryGroupFields),
	define(Security, "domain.create", "A domain was added.", "domain", domainFields),
	define(Security, "domain.verify", "A domain was proven by its DNS record.", "domain", domainFields),
	define(Security, "domain.delete", "A domain was removed.", "domain", domainFields),
	define(Security, "webhook_endpoint.rotate_secret", "A webhook endpoint got a new signing secret or key pair.", "webhook_endpoint", "secret key_pair overlap_seconds"),
	define(Security, "event_consumer.rotate_secret", "An event consumer got a new secret.", "event_consumer", "secret overlap_seconds"),
	define(Security, "audit_stream.create", "A stream of the audit log was created.", "audit_stream", streamFields),
	define(Security, "audit_stream.update", "A stream of the audit log was changed, paused or resumed.", "audit_stream", streamFields),
	define(Security, "audit_stream.pause", "A stream of the audit log was paused, because the other side has denied access.", "audit_stream", streamFields),
	define(Security, "audit_stream.rotate_secret", "A stream of the audit log got a new signing secret.", "audit_stream", "secret overlap_seconds"),
	define(Security, "audit_stream.delete", "A stream of the audit log was deleted.", "audit_stream", streamFields),
	define(Security, "audit_log.restore", "Entries of an audit log were put back from its archive. Only the platform's log has this.", "organization database", "database first last waiting"),
	define(Security, "audit_export_schedule.create", "A schedule of exports of the audit log was created.", "audit_export_schedule", exportScheduleFields),
	define(Security, "audit_export_schedule.update", "A schedule of exports of the audit log was changed.", "audit_export_schedule", exportScheduleFields),
	define(Security, "audit_export_schedule.delete", "A schedule of exports of the audit log was deleted.", "audit_export_schedule", exportScheduleFields),
	define(Security, "session.start", "A member entered the organization: by signing in, from another organization, or at another host.", "session member", sessionFields),
	define(Security, "session.refuse", "A member who had proven who they are was not let into the organization.", "member", sessionFields),
	define(Security, "session.end", "A member's session left the organization: it was ended, or went to another organization.", "session member", sessionFields),
	outlives(define(Security, "organization.create", "The organization was created.", "organization api_key", organizationFields+" key_name")),
	outlives(define(Security, "organization.delete", "The organization was deleted with all that it owns.", "organization", organizationFields)),
}

// How Portico works for the organization, or for all of them.
var configurationActions = []Action{
	define(Configuration, "organization.update", "Name, settings or branding were changed.", "organization", organizationFields),
	define(Configuration, "organization.move", "The organization was moved to another database. Only the platform's log has this.", "organization", "database"),
	define(Configuration, "webhook_endpoint.create", "A webhook endpoint was created.", "webhook_endpoint", endpointFields),
	define(Configuration, "webhook_endpoint.update", "A webhook endpoint was changed.", "webhook_endpoint", endpointFields),
	define(Configuration, "webhook_endpoint.disable", "A webhook endpoint was disabled, because its deliveries had failed for too long.", "webhook_endpoint", endpointFields),
	define(Configuration, "webhook_endpoint.delete", "A webhook endpoint was deleted.", "webhook_endpoint", endpointFields),
	define(Configuration, "webhook_endpoint.resume_ordering_key", "A paused ordering key was resumed.", "webhook_endpoint", "ordering_key"),
	define(Configuration, "event_consumer.create", "An event consumer was created.", "event_consumer", consumerFields),
	define(Configuration, "event_consumer.update", "An event consumer was changed.", "event_consumer", consumerFields),
	define(Configuration, "event_consumer.delete", "An event consumer was deleted.", "event_consumer", consumerFields),
	define(Configuration, "event_type.create", "An event type was added to the catalog.", "event_type", typeFields),
	define(Configuration, "event_type.update", "An event type was changed.", "event_type", typeFields),
	define(Configuration, "event_type.add_version", "An event type got a new version of its schema.", "event_type", typeFields),
	define(Configuration, "event_type.validate", "Data were checked against an event type's schema; nothing was changed.", "event_type", ""),
	define(Configuration, "event_type.delete", "An event type was removed from the catalog.", "event_type", typeFields),
	define(Configuration, "event_type.import", "Event types were imported from an OpenAPI document.", "event_type organization", "created changed unchanged skipped dry_run"),
	define(Configuration, "limit.override", "A limit was set.", "limit organization api_key", limitFields),
	define(Configuration, "limit.reset", "A limit went back to its default.", "limit organization api_key", limitFields),
	define(Configuration, "job_kind.update", "Limits of a kind of job were changed.", "job_kind", kindFields),
	define(Configuration, "job_kind.pause", "A kind of job was paused.", "job_kind", kindFields),
	define(Configuration, "job_kind.resume", "A kind of job was resumed.", "job_kind", kindFields),
	define(Configuration, "job_schedule.update", "The schedule of a job was changed.", "job_schedule", scheduleFields),
	define(Configuration, "job_schedule.reset", "The schedule of a job went back to its default.", "job_schedule", scheduleFields),
	define(Configuration, "mail_template_version.create", "A version of a mail template was saved.", "mail_template", templateFields),
	define(Configuration, "mail_template.publish", "A version of a mail template was published.", "mail_template", templateFields),
	define(Configuration, "mail_template.roll_back", "A mail template went back to an earlier version.", "mail_template", templateFields),
	define(Configuration, "mail_stream.resume", "A paused stream of mail was resumed.", "mail_stream", "paused_at paused_by pause_reason reason"),
	define(Configuration, "mail_suppression.create", "An address was set to get no mail.", "mail_suppression", suppressionFields),
	define(Configuration, "mail_suppression.remove", "An address may get mail again.", "mail_suppression", suppressionFields),
}

// Records that were added, sent again or removed.
var dataActions = []Action{
	define(Data, "event.publish", "Events were published. Each event names who published it; the log has no entry.", "event", ""),
	define(Data, "event.expunge", "What was sent with an event was removed for good.", "event", "expunged"),
	define(Data, "erasure.create", "All data of a person were to be expunged.", "erasure", "criteria since until dry_run"),
	define(Data, "audit_actor.forget", "Name, address and program of an actor were to be erased from the audit log.", "audit_actor", ""),
	define(Data, "erasure.cancel", "An erasure was cancelled.", "erasure", "status"),
	define(Data, "audit_export.create", "Entries of the audit log were to be exported to a file.", "audit_export audit_export_schedule", "format filtered since until"),
	define(Data, "audit_export.cancel", "An export of the audit log was cancelled.", "audit_export", "status"),
	define(Data, "audit_export.deliver", "An export that a schedule had made was written to a bucket, or a member was told of it by mail.",
		"audit_export audit_export_schedule", "since until stream_id member_id"),
	define(Data, "event_stream.acknowledge", "Items of the event stream were acknowledged. The consumer names who did it last; the log has no entry.", "event_consumer", ""),
	define(Data, "event_consumer.resend_dead_letters", "Dead letters of an event consumer were sent again.", "event_consumer", "resent"),
	define(Data, "delivery.redeliver", "A delivery was sent again.", "delivery", "status"),
	define(Data, "webhook_endpoint.recover", "Deliveries of a webhook endpoint were to be sent again.", "webhook_endpoint recovery", recoveryFields),
	define(Data, "webhook_endpoint.replay", "Past events were to be sent to a webhook endpoint.", "webhook_endpoint recovery", recoveryFields),
	define(Data, "webhook_endpoint.test", "A test event was sent to a webhook endpoint. The event names who sent it; the log has no entry.", "webhook_endpoint", ""),
	define(Data, "recovery.cancel", "A recovery was cancelled.", "recovery", "status"),
	define(Data, "audit_stream.test", "A test entry was to be sent by a stream of the audit log.", "audit_stream", ""),
	define(Data, "audit_stream.replay", "A stream of the audit log was to send entries again.", "audit_stream", "from to"),
	define(Data, "job.cancel", "A job was cancelled.", "job", jobFields),
	define(Data, "job.drop", "A dead job was given up.", "job", jobFields),
	define(Data, "job.redrive", "A dead job was tried again.", "job", jobFields),
	define(Data, "job_redrive.create", "Dead jobs were to be tried again.", "job", "filter per_second"),
	define(Data, "job_redrive.cancel", "Trying dead jobs again was cancelled.", "job job_redrive", jobFields),
	define(Data, "job_schedule.run", "A job was started before its time.", "job_schedule", scheduleFields),
	define(Data, "mail.report", "A mail provider reported what became of a mail.", "mail", "status detail"),
	define(Data, "mail_template.test", "A mail template was sent as a test.", "mail_template mail", templateFields),
	define(Data, "mail_inspection.create", "A mail was checked for what makes it spam.", "mail_source", "problems passes"),
	define(Data, "dmarc_report.create", "A report of mail providers was stored.", "dmarc_report", "organization report_id domain mails repeated"),
}

// ReadLog is the action of reading the audit log, which is always recorded.
const ReadLog = "audit_log.read"

// Records were read. Members of before and after never show what.
var accessActions = []Action{
	reads("api_key.read", "API keys were read, without their secrets.", ""),
	reads("audit_export.read", "Exports of the audit log were read, with links to their files.", ""),
	reads("audit_export_schedule.read", "Schedules of exports of the audit log were read.", ""),
	reads(ReadLog, "The audit log was read.", ""),
	reads("audit_stream.read", "Streams of the audit log were read, without their secrets.", ""),
	reads("delivery.read", "Deliveries were read.", ""),
	reads("oauth_client.read", "OAuth clients were read, without their secrets.", ""),
	reads("oauth_grant.read", "OAuth grants were read.", ""),
	reads("domain.read", "Domains were read.", ""),
	reads("erasure.read", "Erasures were read.", ""),
	reads("event.read", "Events were read.", ""),
	reads("event_consumer.read", "Event consumers or their dead letters were read.", ""),
	reads("event_stream.read", "The event stream was read.", ""),
	reads("event_type.read", "Event types were read.", ""),
	reads("job.read", "Jobs were read.", ""),
	reads("job_redrive.read", "Redrives of jobs were read.", ""),
	reads("mail.read", "Mails were read.", ""),
	reads("mail_suppression.read", "Addresses that get no mail were read.", ""),
	reads("member.read", "Members were read.", ""),
	reads("invitation.read", "Invitations were read.", ""),
	reads("organization.read", "The organization was read.", ""),
	reads("recovery.read", "Recoveries were read.", "webhook_endpoint"),
	reads("resource_grant.read", "Resource grants were read.", ""),
	reads("role.read", "Roles were read.", ""),
	reads("staff.read", "Who is staff was read. Only the platform's log has this.", ""),
	reads("staff_access.read", "The access of staff to the organization was read.", ""),
	reads("sso_connection.read", "Single sign-on connections, their directories or their traces were read, without secrets.", ""),
	reads("user.read", "A person was looked for by their address. Only the platform's log has this.", ""),
	reads("webhook_endpoint.read", "Webhook endpoints were read, without their secrets.", ""),
}

// reads returns an action of reading. It names the object that was read, or for a list
// the organization; also are further kinds of objects.
func reads(name, description, also string) Action {
	noun, _, _ := strings.Cut(name, ".")
	targets := noun
	if noun != "organization" {
		targets += " organization"
	}
	return define(Access, name, description, targets+" "+also, "operation")
}
