package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"golang.org/x/oauth2"
)

// GitHub speaks OAuth 2.0, and has no ID tokens for people.
type GitHub struct {
	Client Client
	// Site is https://github.com, which is also the issuer of its people, and API is
	// https://api.github.com.
	Site, API string
	http      *http.Client
}

// NewGitHub returns GitHub, reached through a transport.
func NewGitHub(site, api string, client Client, transport http.RoundTripper) *GitHub {
	return &GitHub{Client: client, Site: site, API: api, http: newHTTPClient(transport)}
}

func (p *GitHub) config() oauth2.Config {
	return oauth2.Config{
		ClientID: p.Client.ID, ClientSecret: p.Client.Secret, RedirectURL: p.Client.Redirect, Scopes: []string{"read:user", "user:email"},
		Endpoint: oauth2.Endpoint{AuthURL: p.Site + "/login/oauth/authorize", TokenURL: p.Site + "/login/oauth/access_token", AuthStyle: oauth2.AuthStyleInParams},
	}
}

// Begin returns where to send the browser, and what Finish needs.
func (p *GitHub) Begin(context.Context) (url string, asked Asked, err error) {
	asked, config := newAsked(), p.config()
	return config.AuthCodeURL(asked.State, oauth2.S256ChallengeOption(asked.Verifier)), asked, nil
}

// Finish returns whom an answer names: the account's number, which stays when its name
// changes, and its primary address. It fails with ErrCancelled, ErrAway or ErrRefused.
func (p *GitHub) Finish(ctx context.Context, asked Asked, a Answer) (Person, error) {
	if err := a.check(asked, p.Site, false); err != nil {
		return Person{}, err
	}
	config := p.config()
	ctx = context.WithValue(ctx, oauth2.HTTPClient, p.http)
	token, err := config.Exchange(ctx, a.Code, oauth2.VerifierOption(asked.Verifier))
	if err != nil {
		return Person{}, exchanged(err)
	}
	var account struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	}
	if err := p.get(ctx, token, "/user", &account); err != nil {
		return Person{}, err
	}
	if account.ID <= 0 {
		return Person{}, refused("the account has no number")
	}
	var addresses []struct {
		Email             string
		Primary, Verified bool
	}
	if err := p.get(ctx, token, "/user/emails", &addresses); err != nil {
		return Person{}, err
	}
	person := Person{Issuer: p.Site, Subject: strconv.FormatInt(account.ID, 10), Name: account.Name}
	for _, one := range addresses {
		if one.Primary {
			person.Email, person.Verified = lower(one.Email), one.Verified
		}
	}
	return person, nil
}

func (p *GitHub) get(ctx context.Context, token *oauth2.Token, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.API+path, nil)
	if err != nil {
		return errors.Join(ErrAway, err)
	}
	r.Header.Set("Accept", "application/vnd.github+json")
	token.SetAuthHeader(r)
	resp, err := p.http.Do(r)
	if err != nil {
		return errors.Join(ErrAway, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: GET %s: %s", ErrAway, path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("%w: GET %s: %w", ErrAway, path, err)
	}
	return nil
}
