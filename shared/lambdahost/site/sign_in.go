package site

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
	"portico/shared/lambdahost"
	"portico/shared/lambdahost/web"
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
		database lambdahost.DatabaseEnv
		sealing  lambdahost.SealingEnv
		wake     lambdahost.WakeEnv
		queues   lambdahost.JobQueuesEnv
		outward  lambdahost.EgressEnv
		people   peopleEnv
		offered  providersEnv
		sessions lambdahost.IdentityEnv
		domains  lambdahost.DomainEnv
		origin   web.OriginEnv
	)
	h := begin(ctx, &database, &sealing, &wake, &queues, &outward, &people, &offered, &sessions, &domains, &origin)
	if people.SignUp != "open" && people.SignUp != "invited" {
		lambdahost.ExitOn(fmt.Errorf("SIGN_UP must be open or invited, not %q", people.SignUp))
	}
	if people.Public == "" {
		web.Start(ctx, h.Host, http.HandlerFunc(unnamed))
		return
	}
	db, err := database.Open(ctx)
	lambdahost.ExitOn(err)
	h.AnnounceEntries(db, database)
	h.Announce(db, queues, wake, database)
	home, err := pg.OpenIdentity(ctx, database.URL)
	lambdahost.ExitOn(err)
	box, err := h.Box(sealing)
	lambdahost.ExitOn(err)
	desk := &account.Desk{DB: db, People: home, Box: box, Clock: h.Clock, Public: people.Public, Open: people.SignUp == "open"}
	table := h.IdentityTable(sessions)
	desk.Sessions, desk.Attempts = session.NewStore(table, lambdahost.SessionIdle, h.Clock), signin.NewStore(table, box, h.Clock)
	desk.Apps = &oauth.Desk{Apps: h.Apps(lambdahost.AppsEnv{Table: sessions.Table, Public: people.Public}, db, box), DB: db, Clock: h.Clock}
	lambdahost.ExitOn(h.equip(ctx, desk, people, offered, outward))
	gate, err := h.Captcha(ctx)
	lambdahost.ExitOn(err)
	book, err := pages.NewBook(site.Files(), saml.Files(), setup.Files(), adminsite.Files())
	lambdahost.ExitOn(err)
	public, err := url.Parse(people.Public)
	lambdahost.ExitOn(err)
	hosts := pages.Hosts{Public: public, Org: h.Hosts(domains).Org, Hidden: origin.Secret != ""}
	frame := &pages.Frame{Log: h.Log, Gate: gate, Book: book, Hosts: hosts}
	asserted := &assertion.Desk{Desk: desk}
	prepares := &setup.Site{Desk: &prepare.Desk{Desk: desk, SAML: asserted, Base: domains.Base}}
	signs := &site.Site{Desk: desk, SAML: asserted, Sessions: desk.Sessions, Policies: account.NewPolicies(db, desk.Sessions, h.Clock), Hosts: hosts, Clock: h.Clock}
	door := &adminsite.Site{Desk: h.admin(desk, db, table)}
	handler, err := frame.Handler(slices.Concat(signs.Pages(), (&saml.Site{Desk: asserted}).Pages(), prepares.Pages(), door.Pages())...)
	lambdahost.ExitOn(err)
	web.Start(ctx, h.Host, handler)
}

// admin returns the desk at which staff sign in. Their provider is not one of customers.
func (h *host) admin(desk *account.Desk, db *pg.DB, table dynamo.Sorted) *admin.Desk {
	own, company := *desk, desk.Providers[admin.Company]
	delete(desk.Providers, admin.Company)
	own.Sessions = session.NewStore(table, admin.Idle, h.Clock)
	return &admin.Desk{Desk: &own, Staff: staff.NewPeople(db, h.Clock), Company: company}
}

// equip gives the desk what proves who somebody is.
func (h *host) equip(ctx context.Context, desk *account.Desk, e peopleEnv, offered providersEnv, outward lambdahost.EgressEnv) error {
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
		desk.Rules.Breaches = password.NewBreaches(e.Breached, policy, h.Log)
	}
	if desk.Providers, err = h.providers(ctx, offered, e.Public, policy.Transport()); err != nil {
		return err
	}
	desk.OpenID = func(issuer string, client provider.Client) account.Provider {
		return provider.NewOIDC(issuer, client, nil, policy.Transport(), h.Clock)
	}
	desk.Passkeys, err = passkey.NewSite(account.Issuer, e.Public)
	return err
}

// pepper reads the versions of the key that all hashes of passwords need.
func (h *host) pepper(e peopleEnv) (*secret.Box, error) {
	box, err := h.Box(lambdahost.SealingEnv{Secret: e.Pepper})
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
		out, err := secretsmanager.NewFromConfig(h.AWS).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &e.Secret})
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
		all[account.Google] = provider.NewOIDC(e.GoogleIssuer, client(account.Google, e.Google), provider.GoogleOwns, transport, h.Clock)
	}
	if e.GitHub != "" {
		all[account.GitHub] = provider.NewGitHub(e.GitHubURL, e.GitHubAPI, client(account.GitHub, e.GitHub), transport)
	}
	if e.Staff != "" {
		if e.StaffIssuer == "" {
			return nil, errors.New("STAFF_CLIENT_ID needs STAFF_ISSUER: set the parameter StaffIssuer")
		}
		company := provider.Client{ID: e.Staff, Secret: secrets[admin.Company], Redirect: public + admin.CallbackPath}
		all[admin.Company] = provider.NewOIDC(e.StaffIssuer, company, nil, transport, h.Clock)
	}
	for name := range all {
		if secrets[name] == "" {
			return nil, fmt.Errorf("PROVIDER_SECRET: there is no secret of the client at %s", name)
		}
	}
	return all, nil
}
