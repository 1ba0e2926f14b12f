package passkey

import (
	"bytes"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"portico/shared/identity"
)

// The methods of webauthn.User.

// WebAuthnID returns the bytes by which authenticators know the user.
func (u User) WebAuthnID() []byte { return u.ID.UUID[:] }

// WebAuthnName returns what tells the user's accounts apart.
func (u User) WebAuthnName() string { return u.Email }

// WebAuthnDisplayName returns the user's name, or the address.
func (u User) WebAuthnDisplayName() string {
	if u.Name == "" {
		return u.Email
	}
	return u.Name
}

// WebAuthnCredentials returns the user's passkeys.
func (u User) WebAuthnCredentials() (list []webauthn.Credential) {
	for _, p := range u.Passkeys {
		c := webauthn.Credential{
			ID: p.CredentialID, PublicKey: p.PublicKey,
			Flags:         webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: p.BackupEligible, BackupState: p.BackedUp},
			Authenticator: webauthn.Authenticator{AAGUID: p.AAGUID[:], SignCount: uint32(p.SignCount)}, //nolint:gosec // it came as a uint32
		}
		for _, t := range p.Transports {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
		}
		list = append(list, c)
	}
	return list
}

// with returns the passkey with a credential id.
func (u User) with(credential []byte) identity.Passkey {
	for _, p := range u.Passkeys {
		if bytes.Equal(p.CredentialID, credential) {
			return p
		}
	}
	return identity.Passkey{}
}
