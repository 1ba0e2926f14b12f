package transport_test

import (
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// AuthMechanisms lets a client log in with a password.
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		s.s.mu.Lock()
		s.s.login++
		s.s.mu.Unlock()
		if s.s.reply() == refuseUs || username != "user" || password != "password" {
			return smtp.ErrAuthFailed
		}
		s.trusted = true
		return nil
	}), nil
}
