package lambdahost

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/account"
	"portico/shared/api/edge"
	"portico/shared/dynamo"
	"portico/shared/egress"
	"portico/shared/mail/feedback"
	"portico/shared/mail/unsubscribe"
	"portico/shared/oauth"
	"portico/shared/pages"
	"portico/shared/pages/resend"
	site "portico/shared/pages/signin"
	stop "portico/shared/pages/unsubscribe"
	"portico/shared/password"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
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

// peopleEnv says where it is kept how people sign in.
type peopleEnv struct {
	Table  string `env:"IDENTITY_TABLE,required,notEmpty"`
	Pepper string `env:"PEPPER_SECRET,required,notEmpty"`
	// Public is where the pages are, for links in mails; "": nobody can sign up or in.
	Public string `env:"PAGES_URL"`
	// SignUp is who may sign up: everybody (open), or those whom an organization has
	// added (invited).
	SignUp string `env:"SIGN_UP,required,notEmpty"`
	// Breached is the service of stolen passwords; "": it is not asked.
	Breached string `env:"BREACHED_PASSWORDS_URL"`
}

// sessionIdle is how long a session lives without being used.
const sessionIdle = 2 * time.Hour

// SignIn serves the pages on which people sign up, sign in and look after their account.
func SignIn() {
	ctx := context.Background()
	var (
		database databaseEnv
		sealing  sealingEnv
		wake     wakeEnv
		queues   jobQueuesEnv
		outward  egressEnv
		people   peopleEnv
	)
	h := begin(ctx, &database, &sealing, &wake, &queues, &outward, &people)
	if people.SignUp != "open" && people.SignUp != "invited" {
		exitOn(fmt.Errorf("SIGN_UP must be open or invited, not %q", people.SignUp))
	}
	if people.Public == "" {
		h.start(ctx, http.HandlerFunc(unnamed))
		return
	}
	db, err := database.open(ctx)
	exitOn(err)
	h.announceEntries(db, database)
	h.announce(db, queues, wake, database)
	home, err := pg.OpenIdentity(ctx, database.URL)
	exitOn(err)
	box, err := h.box(sealing)
	exitOn(err)
	pepper, err := h.pepper(people)
	exitOn(err)
	table := dynamo.NewSorted(dynamodb.NewFromConfig(h.aws), people.Table, "pk", "sk")
	sessions := session.NewStore(table, sessionIdle, h.clock)
	desk := &account.Desk{
		DB: db, People: home, Sessions: sessions, Attempts: signin.NewStore(table, box, h.clock), Passwords: password.NewHasher(pepper), Box: box, Clock: h.clock,
		Rules: password.Rules{Words: []string{"portico"}}, Public: people.Public, Open: people.SignUp == "open",
	}
	if people.Breached != "" {
		policy, err := egress.ParsePolicy(outward.Allow)
		exitOn(err)
		desk.Rules.Breaches = password.NewBreaches(people.Breached, policy, h.log)
	}
	gate, err := h.captcha(ctx)
	exitOn(err)
	book, err := pages.NewBook(site.Files())
	exitOn(err)
	frame := &pages.Frame{Log: h.log, Gate: gate, Book: book}
	handler, err := frame.Handler((&site.Site{Desk: desk, Sessions: sessions, Policies: account.NewPolicies(db, sessions, h.clock), Clock: h.clock}).Pages()...)
	exitOn(err)
	h.start(ctx, handler)
}

// unnamed answers every request where the address of the pages is not set.
func unnamed(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "Nobody can sign in here yet. Operators: set the parameter PublicUrl to the address of this site.", http.StatusNotFound)
}

// pepper reads the versions of the key that all hashes of passwords need.
func (h *host) pepper(e peopleEnv) (*secret.Box, error) {
	box, err := h.box(sealingEnv{Secret: e.Pepper})
	if err != nil {
		return nil, fmt.Errorf("PEPPER_SECRET: %w", err)
	}
	return box, nil
}

// appsEnv says where the grants of apps are.
type appsEnv struct {
	Table string `env:"IDENTITY_TABLE,required,notEmpty"`
	// Public is the address of the site, which access tokens are for; "": none is accepted.
	Public string `env:"PAGES_URL"`
}

// apps returns the callers with access tokens.
func (h *host) apps(e appsEnv, s *edge.Server) *oauth.Apps {
	table := dynamo.NewSorted(dynamodb.NewFromConfig(h.aws), e.Table, "pk", "sk")
	return &oauth.Apps{Grants: oauth.NewStore(table, s.Box, h.clock), Clients: oauth.NewClients(s.DB, h.clock), Resource: e.Public}
}
