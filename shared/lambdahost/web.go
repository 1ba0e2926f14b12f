package lambdahost

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/api/edge"
	"portico/shared/apikey"
	"portico/shared/directory"
	"portico/shared/dynamo"
	"portico/shared/limit"
	"portico/shared/mail/feedback"
	"portico/shared/mail/unsubscribe"
	"portico/shared/oauth"
	"portico/shared/pages/resend"
	"portico/shared/pages/scim"
	"portico/shared/pages/token"
	stop "portico/shared/pages/unsubscribe"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signingkey"
	"portico/shared/webhook/fanout"
)

// Unsubscribe serves the page behind a mail's link to unsubscribe.
func Unsubscribe() {
	ctx := context.Background()
	var (
		database databaseEnv
		sealing  sealingEnv
	)
	h := begin(ctx, &database, &sealing)
	db, err := database.open(ctx)
	exitOn(err)
	box, err := h.box(sealing)
	exitOn(err)
	handler := &stop.Handler{Box: box, Clock: h.clock, Log: h.log, Stop: func(ctx context.Context, c unsubscribe.Choice) error {
		return db.InOrg(ctx, c.Org, func(tx pg.Tx) error { return unsubscribe.Stop(ctx, tx, c) })
	}}
	h.start(ctx, handler)
}

// Resend receives what Resend reports about mails.
func Resend() {
	ctx := context.Background()
	var (
		database databaseEnv
		wake     wakeEnv
		own      resendEnv
	)
	h := begin(ctx, &database, &wake, &own)
	db, err := database.open(ctx)
	exitOn(err)
	handler := &resend.Handler{Clock: h.clock, Log: h.log}
	if own.Secret != "" {
		text, err := h.readMailSecret(ctx, own.Secret)
		exitOn(err)
		handler.Key, err = resendKey(text)
		exitOn(err)
	}
	desk := &feedback.Desk{DB: db, Wakers: h.wakers(wake, database), Subscriptions: fanout.NewCache(), Clock: h.clock, Log: h.log}
	handler.Apply = desk.Apply
	h.start(ctx, handler)
}

// resendEnv names the secret with the access to Resend; "" or another service's:
// mail is not sent through it.
type resendEnv struct {
	Secret string `env:"MAIL_SECRET"`
}

// unnamed answers every request where the address of the pages is not set.
func unnamed(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "Nobody can sign in here yet. Operators: set the parameter PublicUrl to the address of this site.", http.StatusNotFound)
}

// appsEnv says where the grants of apps are.
type appsEnv struct {
	Table string `env:"IDENTITY_TABLE,required,notEmpty"`
	// Public is the address of the site, which access tokens are for; "": none is accepted.
	Public string `env:"PAGES_URL"`
}

// apps returns the callers with access tokens.
func (h *host) apps(e appsEnv, db *pg.DB, box *secret.Box) *oauth.Apps {
	table := h.identityTable(identityEnv{e.Table})
	return &oauth.Apps{Grants: oauth.NewStore(table, box, h.clock), Clients: oauth.NewClients(db, h.clock), Resource: e.Public}
}

// OAuth gives apps their tokens.
func OAuth() {
	ctx := context.Background()
	var (
		database databaseEnv
		sealing  sealingEnv
		limits   limitEnv
		counts   limitTableEnv
		keys     keysEnv
		own      appsEnv
	)
	h := begin(ctx, &database, &sealing, &limits, &counts, &keys, &own)
	if own.Public == "" {
		h.start(ctx, http.HandlerFunc(unnamed))
		return
	}
	db, err := database.open(ctx)
	exitOn(err)
	h.announceEntries(db, database)
	box, err := h.box(sealing)
	exitOn(err)
	policies, err := limit.NewPolicies(limits.Limits, limits.Delayed...)
	exitOn(err)
	settings, client := limit.Settings{Policies: policies, Environments: limits.Environments}, dynamodb.NewFromConfig(h.aws)
	counters := edge.NewCounters(dynamo.NewTable(client, counts.Table, "id"), settings, h.clock)
	known := apikey.NewProjection(client, keys.Table, db, h.clock)
	known.Limit(settings)
	h.start(ctx, &token.Handler{
		Keys: known,
		Desk: &oauth.Desk{Apps: h.apps(own, db, box), DB: db, Clock: h.clock, Keys: &signingkey.Ring{DB: db, Box: box, Clock: h.clock}}, Addresses: counters.Addresses, Apps: counters.Actors, Log: h.log,
	})
}

// Organization serves operations, and directories to identity providers.
func Organization(operations ...edge.Operation) { serve(special{beside: directories}, operations) }

// directories serves directories, and by next everything else.
func directories(s *edge.Server, next http.Handler) http.Handler {
	served := &scim.Handler{
		Desk: &directory.Desk{DB: s.DB, Clock: s.Clock}, Public: s.Apps.Resource, Addresses: s.Counters.Addresses, Directories: s.Counters.Actors, Log: s.Log,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, directory.Path) {
			served.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// identityEnv names the table of sessions.
type identityEnv struct {
	Table string `env:"IDENTITY_TABLE,required,notEmpty"`
}

// sessionIdle is how long a session lives without being used.
const sessionIdle = 2 * time.Hour

// IdentityAPI serves the operations of people on their own account.
func IdentityAPI(operations ...edge.Operation) {
	serve(special{also: (*host).people}, operations)
}

// people opens what only these operations use.
func (h *host) people(server *edge.Server) error {
	var (
		database databaseEnv
		own      identityEnv
	)
	if err := read(&database, &own); err != nil {
		return err
	}
	home, err := pg.OpenIdentity(context.Background(), database.URL)
	if err != nil {
		return err
	}
	server.People, server.Sessions = home, session.NewStore(h.identityTable(own), sessionIdle, h.clock)
	return nil
}

func (h *host) identityTable(e identityEnv) dynamo.Sorted {
	return dynamo.NewSorted(dynamodb.NewFromConfig(h.aws), e.Table, "pk", "sk")
}
