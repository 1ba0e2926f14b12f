// Command mail-feedback records what SES reports about mails: delivered, bounced, reported as spam; see shared/jobs/mail_feedback.go.
package main

import "portico/shared/lambdahost/work"

func main() { work.MailFeedback() }
