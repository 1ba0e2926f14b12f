package provider

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"portico/shared/clock"
)

// OIDC is a provider that speaks OpenID Connect.
type OIDC struct {
	Issuer string
	Client Client
	// Owns reports whether the issuer runs the mailbox of an address that it says is
	// proven. hosted is the claim `hd`; nil: never.
	Owns func(email, hosted string) bool

	clock *clock.Clock
	http  *http.Client

	mu    sync.Mutex
	found *oidc.Provider // nil: not yet
	names bool           // it says that it names itself in each answer
}

// NewOIDC returns a provider that is reached through a transport.
func NewOIDC(issuer string, client Client, owns func(email, hosted string) bool, transport http.RoundTripper, clock *clock.Clock) *OIDC {
	return &OIDC{Issuer: issuer, Client: client, Owns: owns, clock: clock, http: newHTTPClient(transport)}
}

// GoogleOwns is Owns of Google: it runs gmail.com and the domains of its customers, whose
// accounts have the claim `hd`.
func GoogleOwns(email, hosted string) bool {
	_, domain, _ := strings.Cut(email, "@")
	return domain == "gmail.com" || hosted != "" && strings.EqualFold(domain, hosted)
}

// Begin returns where to send the browser, and what Finish needs.
func (p *OIDC) Begin(ctx context.Context) (url string, asked Asked, err error) {
	config, err := p.config(ctx)
	if err != nil {
		return "", asked, err
	}
	asked = newAsked()
	return config.AuthCodeURL(asked.State, oidc.Nonce(asked.Nonce), oauth2.S256ChallengeOption(asked.Verifier)), asked, nil
}

// Finish returns whom an answer names. It fails with ErrCancelled, ErrAway or ErrRefused.
func (p *OIDC) Finish(ctx context.Context, asked Asked, a Answer) (Person, error) {
	config, err := p.config(ctx)
	if err != nil {
		return Person{}, err
	}
	if err := a.check(asked, p.Issuer, p.names); err != nil {
		return Person{}, err
	}
	ctx = oidc.ClientContext(ctx, p.http)
	token, err := config.Exchange(ctx, a.Code, oauth2.VerifierOption(asked.Verifier))
	if err != nil {
		return Person{}, exchanged(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Person{}, refused("there is no ID token")
	}
	return p.verify(ctx, raw, asked.Nonce)
}

// future is how far a provider's clock may be ahead of ours.
const future = time.Minute

// claims are those that Person is made of.
type claims struct {
	Email    string `json:"email"`
	Verified any    `json:"email_verified"` // some providers write "true"
	Hosted   string `json:"hd"`
	Name     string `json:"name"`
	Party    string `json:"azp"`
}

// verify returns whom an ID token names.
func (p *OIDC) verify(ctx context.Context, raw, nonce string) (Person, error) {
	// It accepts the signatures that the issuer has published, and never one that can be
	// made with what is public (none, HMAC).
	verifier := p.found.VerifierContext(ctx, &oidc.Config{ClientID: p.Client.ID, Now: p.clock.Now})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return Person{}, refused("the ID token: %s", err)
	}
	var c claims
	if err := token.Claims(&c); err != nil {
		return Person{}, refused("the ID token's claims: %s", err)
	}
	switch {
	case nonce == "" || token.Nonce != nonce:
		return Person{}, refused("the nonce is not that of the attempt")
	case token.IssuedAt.After(p.clock.Now().Add(future)):
		return Person{}, refused("the ID token is from the future: %s", token.IssuedAt)
	case len(token.Audience) > 1 && c.Party != p.Client.ID, c.Party != "" && c.Party != p.Client.ID:
		return Person{}, refused("the ID token is for %q, which is not us", c.Party)
	case token.Subject == "" || len(token.Subject) > 255:
		return Person{}, refused("the ID token names nobody")
	}
	person := Person{Issuer: p.Issuer, Subject: token.Subject, Email: lower(c.Email), Name: c.Name}
	person.Verified = person.Email != "" && slices.Contains([]any{true, "true"}, c.Verified)
	person.Authoritative = person.Verified && p.Owns != nil && p.Owns(person.Email, c.Hosted)
	return person, nil
}

// config returns the provider's addresses, which it publishes. They are read once, and
// again after a failure.
func (p *OIDC) config(ctx context.Context) (oauth2.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		// The provider keeps this context for as long as it lives, to read keys.
		found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.http), p.Issuer)
		if err != nil {
			return oauth2.Config{}, errors.Join(ErrAway, err)
		}
		var metadata struct {
			Names bool `json:"authorization_response_iss_parameter_supported"`
		}
		if err := found.Claims(&metadata); err != nil {
			return oauth2.Config{}, errors.Join(ErrAway, err)
		}
		p.found, p.names = found, metadata.Names
	}
	return oauth2.Config{
		ClientID: p.Client.ID, ClientSecret: p.Client.Secret, RedirectURL: p.Client.Redirect,
		Endpoint: p.found.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}, nil
}
