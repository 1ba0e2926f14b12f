package serve

import (
	"portico/shared/api/edge"
	"portico/shared/jobs"
	"portico/shared/lambdahost"
	"portico/shared/mail"
)

// JobsAPI is API for operations on jobs: it knows their kinds, without what does them.
func JobsAPI(operations ...edge.Operation) {
	kinds, err := jobs.Registry(jobs.Kinds{}, &mail.Sender{})
	lambdahost.ExitOn(err)
	serve(special{kinds: kinds}, operations)
}
