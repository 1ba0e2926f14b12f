package lambdahost

import (
	"context"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/apikey"
	"portico/shared/jobs"
)

// deleter erases organizations, in a function that otherwise works as
// portico_worker: only portico_app may erase.
func (h *host) deleter(ctx context.Context, database databaseEnv, keys keysEnv, domains domainEnv) jobs.Deleter {
	var err error
	database.URL, err = asApp(database.URL)
	exitOn(err)
	db, err := database.open(ctx)
	exitOn(err)
	projection := apikey.NewProjection(dynamodb.NewFromConfig(h.aws), keys.Table, db, h.clock)
	return jobs.Deleter{DB: db, Keys: projection, Hosts: h.hosts(domains), Clock: h.clock}
}

// asApp returns the URL with the login of portico_app. Where the roles have a
// password it is the same for all; elsewhere they use IAM.
func asApp(worker string) (string, error) {
	u, err := url.Parse(worker)
	if err != nil {
		return "", fmt.Errorf("DATABASE_URL cannot be read: %w", err)
	}
	app := url.User("portico_app")
	if password, ok := u.User.Password(); ok {
		app = url.UserPassword("portico_app", password)
	}
	u.User = app
	return u.String(), nil
}
