package lambdahost

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/apikey"
	"portico/shared/jobs"
	"portico/shared/pg"
)

// deleter erases organizations. It logs in as portico_app also in a function
// whose other work is that of portico_worker, which may not erase.
func (h *host) deleter(db *pg.DB, keys keysEnv, domains domainEnv, limits limitTableEnv) jobs.Deleter {
	projection := apikey.NewProjection(dynamodb.NewFromConfig(h.aws), keys.Table, db, h.clock)
	return jobs.Deleter{DB: db, Keys: projection, Hosts: h.hosts(domains), Overrides: h.overrides(limits), Clock: h.clock}
}
