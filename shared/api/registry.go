// Package api lists the operations of the HTTP API and documents them. Each area
// is a folder with its operations and has its own tag; the frame is package edge.
package api

import (
	"portico/shared/api/account"
	"portico/shared/api/audit"
	"portico/shared/api/edge"
	"portico/shared/api/events"
	"portico/shared/api/invitations"
	"portico/shared/api/jobs"
	"portico/shared/api/keys"
	"portico/shared/api/limits"
	"portico/shared/api/mail"
	"portico/shared/api/oauth"
	"portico/shared/api/organizations"
	"portico/shared/api/people"
	"portico/shared/api/schedules"
	"portico/shared/api/sso"
	"portico/shared/api/staff"
	"portico/shared/api/stream"
	"portico/shared/api/system"
	"portico/shared/api/users"
	"portico/shared/api/webhooks"
)

// All returns every operation, for the documentation, the template's routes and
// the tests. Functions name the operations that they serve, so that the linker
// drops the others.
func All() []edge.Operation {
	return append([]edge.Operation{
		webhooks.CreateEndpoint, webhooks.ListEndpoints, webhooks.GetEndpoint, webhooks.UpdateEndpoint, webhooks.DeleteEndpoint,
		webhooks.RotateSecret, webhooks.GetPublicKeys, webhooks.ListSourceIPs,
		webhooks.GetStatistics, webhooks.ListOrderingKeys, webhooks.ResumeOrderingKey,
		webhooks.TestEndpoint, webhooks.Recover, webhooks.Replay, webhooks.ListRecoveries, webhooks.GetRecovery, webhooks.CancelRecovery,
		events.Publish, events.PublishBatch, events.List, events.Get, events.Expunge,
		events.CreateErasure, events.ListErasures, events.GetErasure, events.CancelErasure,
		webhooks.ListDeliveries, webhooks.GetDelivery, webhooks.Redeliver,
		events.CreateType, events.ListTypes, events.GetType, events.UpdateType, events.DeleteType,
		events.CreateTypeVersion, events.ListTypeVersions, events.Validate, events.DescribeTypes, events.ImportTypes,
		stream.ReadStream, stream.AcknowledgeItems,
		stream.CreateConsumer, stream.ListConsumers, stream.GetConsumer, stream.UpdateConsumer, stream.DeleteConsumer, stream.RotateConsumerSecret,
		stream.ListDeadLetters, stream.ResendDeadLetters,
		organizations.GetOwn, organizations.UpdateOwn,
		organizations.Create, organizations.List, organizations.Get, organizations.Update, organizations.Delete,
		people.CreateMember, people.ListMembers, people.GetMember, people.UpdateMember, people.DeleteMember, people.GetMemberPermissions,
		people.ListMemberSessions, people.RevokeMemberSessions, people.ResetMemberFactors,
		invitations.Create, invitations.List, invitations.Resend, invitations.Delete,
		people.ListPermissions, people.CreateRole, people.ListRoles, people.GetRole, people.UpdateRole, people.DeleteRole,
		people.CreateResourceGrant, people.ListResourceGrants, people.DeleteResourceGrant,
		keys.Create, keys.List, keys.Get, keys.Update, keys.Rotate, keys.Revoke,
		oauth.Create, oauth.List, oauth.Get, oauth.Update, oauth.Delete, oauth.RotateSecret, oauth.ListGrants, oauth.DeleteGrant,
		staff.OpenAccess, staff.ListAccess, staff.EndAccess, staff.List, staff.Set, staff.Disable, users.List, users.Suspend, users.Unsuspend,
		sso.CreateDirectory, sso.GetDirectory, sso.UpdateDirectory, sso.RotateDirectoryToken, sso.DeleteDirectory, sso.CreateSetupLink, sso.DeleteSetupLink,
		sso.Create, sso.List, sso.Get, sso.Update, sso.Delete, sso.Activate, sso.Disable, sso.ListTraces,
		limits.List, limits.ListOfKey, limits.SetOfKey, limits.ResetOfKey, limits.SetOfOrganization, limits.ResetOfOrganization,
		account.GetMe, account.UpdateMe, account.ListMyEvents, account.ListMyOrganizations, account.LeaveMyOrganization, account.ListMySessions, account.RevokeMySession, account.RevokeMySessions,
		account.ListMyApps, account.RevokeMyApp,
		audit.List, audit.Get, audit.ListActions, audit.ListPlatform, audit.GetPlatform, audit.Verify, audit.VerifyPlatform, audit.Forget,
		audit.CreateStream, audit.ListStreams, audit.GetStream, audit.UpdateStream, audit.DeleteStream,
		audit.RotateStreamSecret, audit.TestStream, audit.ReplayStream,
		audit.CreateExport, audit.ListExports, audit.GetExport, audit.CancelExport,
		schedules.Create, schedules.List, schedules.Get, schedules.Update, schedules.Delete,
		jobs.List, jobs.Get, jobs.Cancel,
		mail.List, mail.Get,
		mail.ListSuppressions, mail.GetSuppression, mail.Suppress, mail.Unsuppress,
		mail.ListTemplates, mail.GetTemplate, mail.GetTemplateSource, mail.PreviewTemplate, mail.DiffTemplate,
		mail.ListTemplateVersions, mail.CreateTemplateVersion, mail.ListTemplatePublications, mail.PublishTemplate, mail.RollBackTemplate, mail.SendTestMail,
		mail.Inspect, mail.GetDeliverability, mail.ResumeMarketing,
		jobs.CreateRedrive, jobs.ListRedrives, jobs.GetRedrive, jobs.CancelRedrive,
		mail.Report, mail.KeepDMARC, mail.ListDMARCSources,
		jobs.ListAll, jobs.GetAny, jobs.ListDead, jobs.Redrive, jobs.Drop, jobs.CancelAny,
		jobs.CreateRedriveOfAll, jobs.ListRedrivesOfAll, jobs.GetRedriveOfAll, jobs.CancelRedriveOfAll,
		jobs.ListSchedules, jobs.GetSchedule, jobs.UpdateSchedule, jobs.RunSchedule, jobs.ResetSchedule,
		jobs.ListKinds, jobs.GetKind, jobs.PauseKind, jobs.ResumeKind, jobs.UpdateKind,
		organizations.CreateDomain, organizations.ListDomains, organizations.GetDomain, organizations.VerifyDomain, organizations.DeleteDomain,
	}, system.Operations(nil)...)
}
