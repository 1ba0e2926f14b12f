// Command mail serves what staff do with mail; see shared/api/mail.
package main

import (
	"portico/shared/api/mail"
	"portico/shared/lambdahost/serve"
)

func main() {
	serve.MailAPI(
		mail.List, mail.Get,
		mail.ListSuppressions, mail.GetSuppression, mail.Suppress, mail.Unsuppress,
		mail.ListTemplates, mail.GetTemplate, mail.GetTemplateSource, mail.PreviewTemplate, mail.DiffTemplate,
		mail.ListTemplateVersions, mail.CreateTemplateVersion, mail.ListTemplatePublications, mail.PublishTemplate, mail.RollBackTemplate, mail.SendTestMail,
		mail.Inspect, mail.GetDeliverability, mail.ResumeMarketing,
		mail.Report, mail.KeepDMARC, mail.ListDMARCSources,
	)
}
