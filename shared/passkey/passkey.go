// Package passkey enrols passkeys and verifies their signatures (WebAuthn level 3,
// https://www.w3.org/TR/webauthn-3/). Each signature is made with user verification, so a
// passkey counts as two factors. Where passkeys are kept is in shared/identity.
package passkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"portico/shared/id"
	"portico/shared/identity"
)

// Site is the site for which passkeys are made: those of another one do not work here.
type Site struct{ web *webauthn.WebAuthn }

// User is a person with their passkeys.
type User struct {
	ID          id.User
	Email, Name string
	Passkeys    []identity.Passkey
}

// Challenge is what one ceremony was begun with. It is kept where only the browser that has
// begun it leads to it, and used once.
type Challenge struct{ Data []byte }

// Proof is a valid signature.
type Proof struct {
	User    id.User
	Passkey identity.Passkey // with the count of this signature
}

// ErrRefused is returned for an answer that proves nothing. Its text says why, for the log.
var ErrRefused = errors.New("passkey: the answer proves nothing")

// ErrCopied is returned for a valid signature whose count is not above the last one: there
// may be a copy of the passkey.
var ErrCopied = errors.New("passkey: the count of signatures did not grow")

// NewSite returns the site with a name for people and an origin, such as
// https://console.example.com, to whose host name passkeys are bound.
func NewSite(name, origin string) (*Site, error) {
	where, err := url.Parse(origin)
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	web, err := webauthn.New(&webauthn.Config{
		RPID: where.Hostname(), RPDisplayName: name, RPOrigins: []string{origin}, AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	return &Site{web}, nil
}

// Enrol begins to enrol a passkey. options are, in JSON, the argument of the browser's
// navigator.credentials.create. Authenticators that the user has enrolled are left out.
func (s *Site) Enrol(u User) (options []byte, c Challenge, err error) {
	known := webauthn.Credentials(u.WebAuthnCredentials()).CredentialDescriptors()
	creation, begun, err := s.web.BeginRegistration(u, webauthn.WithExclusions(known))
	if err != nil {
		return nil, c, fmt.Errorf("passkey.Enrol: %w", err)
	}
	return encode(creation, begun)
}

// Enrolled returns the passkey that a browser has made, or ErrRefused.
func (s *Site) Enrolled(u User, c Challenge, response []byte) (identity.Passkey, error) {
	begun, err := c.decode()
	if err != nil {
		return identity.Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return identity.Passkey{}, refused(err)
	}
	made, err := s.web.CreateCredential(u, begun, parsed)
	if err != nil {
		return identity.Passkey{}, refused(err)
	}
	p := identity.Passkey{
		CredentialID: made.ID, PublicKey: made.PublicKey, SignCount: int64(made.Authenticator.SignCount),
		BackupEligible: made.Flags.BackupEligible, BackedUp: made.Flags.BackupState,
	}
	copy(p.AAGUID[:], made.Authenticator.AAGUID)
	p.Transports = transportsOf(made)
	return p, nil
}

// transports are those that WebAuthn names.
var transports = []protocol.AuthenticatorTransport{protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal}

// transportsOf returns the transports of a passkey, each once. The browser names them and
// nothing signs them, so those that WebAuthn does not name are left out.
func transportsOf(made *webauthn.Credential) (names []string) {
	for _, t := range transports {
		if slices.Contains(made.Transport, t) {
			names = append(names, string(t))
		}
	}
	return names
}

// Ask begins to ask for a signature of any passkey for this site. options are, in JSON, the
// argument of the browser's navigator.credentials.get. They tell nothing about any user.
func (s *Site) Ask() (options []byte, c Challenge, err error) {
	assertion, begun, err := s.web.BeginDiscoverableLogin()
	if err != nil {
		return nil, c, fmt.Errorf("passkey.Ask: %w", err)
	}
	return encode(assertion, begun)
}

// Answered returns whose signature a browser has brought, ErrRefused or ErrCopied. find
// returns a user with their passkeys.
func (s *Site) Answered(c Challenge, response []byte, find func(id.User) (User, error)) (Proof, error) {
	begun, err := c.decode()
	if err != nil {
		return Proof{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return Proof{}, refused(err)
	}
	var whose User
	var failed error
	_, signed, err := s.web.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		user, err := uuid.FromBytes(handle)
		if err != nil {
			return nil, err
		}
		whose, failed = find(id.User{UUID: user})
		return whose, failed
	}, begun, parsed)
	switch {
	case failed != nil:
		return Proof{}, failed
	case err != nil:
		return Proof{}, refused(err)
	}
	proof := Proof{User: whose.ID, Passkey: whose.with(signed.ID)}
	proof.Passkey.SignCount, proof.Passkey.BackedUp = int64(signed.Authenticator.SignCount), signed.Flags.BackupState
	if signed.Authenticator.CloneWarning {
		return proof, ErrCopied
	}
	return proof, nil
}

func refused(err error) error {
	var said *protocol.Error
	if errors.As(err, &said) {
		return fmt.Errorf("%w: %s (%s)", ErrRefused, said.Details, said.DevInfo)
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

func encode(options any, begun *webauthn.SessionData) ([]byte, Challenge, error) {
	shown, err := json.Marshal(options)
	if err != nil {
		return nil, Challenge{}, fmt.Errorf("passkey: %w", err)
	}
	kept, err := json.Marshal(begun)
	if err != nil {
		return nil, Challenge{}, fmt.Errorf("passkey: %w", err)
	}
	return shown, Challenge{kept}, nil
}

func (c Challenge) decode() (begun webauthn.SessionData, err error) {
	if len(c.Data) == 0 {
		return begun, fmt.Errorf("%w: nothing was asked", ErrRefused)
	}
	if err := json.Unmarshal(c.Data, &begun); err != nil {
		return begun, fmt.Errorf("passkey: %w", err)
	}
	return begun, nil
}
