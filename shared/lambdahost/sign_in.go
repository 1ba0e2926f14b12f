package lambdahost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"portico/shared/account"
	"portico/shared/account/admin"
	"portico/shared/account/assertion"
	prepare "portico/shared/account/setup"
	"portico/shared/dynamo"
	"portico/shared/egress"
	"portico/shared/oauth"
	"portico/shared/pages"
	adminsite "portico/shared/pages/admin"
	"portico/shared/pages/saml"
	"portico/shared/pages/setup"
	site "portico/shared/pages/signin"
	"portico/shared/passkey"
	"portico/shared/password"
	"portico/shared/pg"
	"portico/shared/provider"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/staff"
)

// peopleEnv says where it is kept how people sign in.
type peopleEnv struct {
	Pepper string `env:"PEPPER_SECRET,required,notEmpty"`
	// Public is where the pages are, for links in mails; "": nobody can sign up or in.
	Public string `env:"PAGES_URL"`
	// SignUp is who may sign up: everybody (open), or those whom an organization has
	// added (invited).
	SignUp string `env:"SIGN_UP,required,notEmpty"`
	// Breached is the service of stolen passwords; "": it is not asked.
	Breached string `env:"BREACHED_PASSWORDS_URL"`
}

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
		offered  providersEnv
		sessions identityEnv
		domains  domainEnv
		origin   originEnv
	)
	h := begin(ctx, &database, &sealing, &wake, &queues, &outward, &people, &offered, &sessions, &domains, &origin)
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
	desk := &account.Desk{DB: db, People: home, Box: box, Clock: h.clock, Public: people.Public, Open: people.SignUp == "open"}
	table := h.identityTable(sessions)
	desk.Sessions, desk.Attempts = session.NewStore(table, sessionIdle, h.clock), signin.NewStore(table, box, h.clock)
	desk.Apps = &oauth.Desk{Apps: h.apps(appsEnv{sessions.Table, people.Public}, db, box), DB: db, Clock: h.clock}
	exitOn(h.equip(ctx, desk, people, offered, outward))
	gate, err := h.captcha(ctx)
	exitOn(err)
	book, err := pages.NewBook(site.Files(), saml.Files(), setup.Files(), adminsite.Files())
	exitOn(err)
	public, err := url.Parse(people.Public)
	exitOn(err)
	hosts := pages.Hosts{Public: public, Org: h.hosts(domains).Org, Hidden: origin.Secret != ""}
	frame := &pages.Frame{Log: h.log, Gate: gate, Book: book, Hosts: hosts}
	asserted := &assertion.Desk{Desk: desk}
	prepares := &setup.Site{Desk: &prepare.Desk{Desk: desk, SAML: asserted, Base: domains.Base}}
	signs := &site.Site{Desk: desk, SAML: asserted, Sessions: desk.Sessions, Policies: account.NewPolicies(db, desk.Sessions, h.clock), Hosts: hosts, Clock: h.clock}
	door := &adminsite.Site{Desk: h.admin(desk, db, table)}
	handler, err := frame.Handler(slices.Concat(signs.Pages(), (&saml.Site{Desk: asserted}).Pages(), prepares.Pages(), door.Pages())...)
	exitOn(err)
	h.start(ctx, handler)
}

// admin returns the desk at which staff sign in. Their provider is not one of customers.
func (h *host) admin(desk *account.Desk, db *pg.DB, table dynamo.Sorted) *admin.Desk {
	own, company := *desk, desk.Providers[admin.Company]
	delete(desk.Providers, admin.Company)
	own.Sessions = session.NewStore(table, admin.Idle, h.clock)
	return &admin.Desk{Desk: &own, Staff: staff.NewPeople(db, h.clock), Company: company}
}

// equip gives the desk what proves who somebody is.
func (h *host) equip(ctx context.Context, desk *account.Desk, e peopleEnv, offered providersEnv, outward egressEnv) error {
	pepper, err := h.pepper(e)
	if err != nil {
		return err
	}
	policy, err := egress.ParsePolicy(outward.Allow)
	if err != nil {
		return err
	}
	desk.Passwords, desk.Rules = password.NewHasher(pepper), password.Rules{Words: []string{"portico"}}
	if e.Breached != "" {
		desk.Rules.Breaches = password.NewBreaches(e.Breached, policy, h.log)
	}
	if desk.Providers, err = h.providers(ctx, offered, e.Public, policy.Transport()); err != nil {
		return err
	}
	desk.OpenID = func(issuer string, client provider.Client) account.Provider {
		return provider.NewOIDC(issuer, client, nil, policy.Transport(), h.clock)
	}
	desk.Passkeys, err = passkey.NewSite(account.Issuer, e.Public)
	return err
}

// pepper reads the versions of the key that all hashes of passwords need.
func (h *host) pepper(e peopleEnv) (*secret.Box, error) {
	box, err := h.box(sealingEnv{Secret: e.Pepper})
	if err != nil {
		return nil, fmt.Errorf("PEPPER_SECRET: %w", err)
	}
	return box, nil
}

// providersEnv says with which accounts elsewhere people sign in. A provider without a
// client id is not offered.
type providersEnv struct {
	Google       string `env:"GOOGLE_CLIENT_ID"`
	GoogleIssuer string `env:"GOOGLE_ISSUER,required,notEmpty"`
	GitHub       string `env:"GITHUB_CLIENT_ID"`
	GitHubURL    string `env:"GITHUB_URL,required,notEmpty"`
	GitHubAPI    string `env:"GITHUB_API_URL,required,notEmpty"`
	// Staff is the client id at the issuer by which staff sign in; "": with passkeys only.
	Staff       string `env:"STAFF_CLIENT_ID"`
	StaffIssuer string `env:"STAFF_ISSUER"`
	// Secret names the secret with the clients' secrets, by the providers' names, as JSON.
	Secret string `env:"PROVIDER_SECRET"`
}

// providers returns those that are offered. public is where the pages are.
func (h *host) providers(ctx context.Context, e providersEnv, public string, transport http.RoundTripper) (map[string]account.Provider, error) {
	secrets := map[string]string{}
	if e.Secret != "" {
		out, err := secretsmanager.NewFromConfig(h.aws).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.Secret})
		if err != nil {
			return nil, fmt.Errorf("PROVIDER_SECRET: %w", err)
		}
		if json.Unmarshal([]byte(aws.ToString(out.SecretString)), &secrets) != nil { // its error would show a part
			return nil, fmt.Errorf(`PROVIDER_SECRET: it must be JSON such as {"google":"…","github":"…"}`)
		}
	}
	client := func(name, id string) provider.Client {
		return provider.Client{ID: id, Secret: secrets[name], Redirect: public + "/sign-in/" + name + "/callback"}
	}
	all := map[string]account.Provider{}
	if e.Google != "" {
		all[account.Google] = provider.NewOIDC(e.GoogleIssuer, client(account.Google, e.Google), provider.GoogleOwns, transport, h.clock)
	}
	if e.GitHub != "" {
		all[account.GitHub] = provider.NewGitHub(e.GitHubURL, e.GitHubAPI, client(account.GitHub, e.GitHub), transport)
	}
	if e.Staff != "" {
		if e.StaffIssuer == "" {
			return nil, errors.New("STAFF_CLIENT_ID needs STAFF_ISSUER: set the parameter StaffIssuer")
		}
		company := provider.Client{ID: e.Staff, Secret: secrets[admin.Company], Redirect: public + admin.CallbackPath}
		all[admin.Company] = provider.NewOIDC(e.StaffIssuer, company, nil, transport, h.clock)
	}
	for name := range all {
		if secrets[name] == "" {
			return nil, fmt.Errorf("PROVIDER_SECRET: there is no secret of the client at %s", name)
		}
	}
	return all, nil
}
