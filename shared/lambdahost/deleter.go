package lambdahost

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/apikey"
	"portico/shared/jobs"
)

// deleter erases organizations. It logs in as portico_app also in a function
// whose other work is that of portico_worker, which may not erase.
func (h *host) deleter(ctx context.Context, database databaseEnv, keys keysEnv, domains domainEnv) jobs.Deleter {
	db, err := database.open(ctx)
	exitOn(err)
	projection := apikey.NewProjection(dynamodb.NewFromConfig(h.aws), keys.Table, db, h.clock)
	return jobs.Deleter{DB: db, Keys: projection, Hosts: h.hosts(domains), Clock: h.clock}
}
