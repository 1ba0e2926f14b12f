package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// parameters are those of argon2id.
type parameters struct {
	memory uint32 // KiB
	time   uint32 // passes
	lanes  uint8
}

// now are the parameters of new hashes: the least that OWASP recommends. A hash took 21 ms
// and 20 MB on one core of an AMD EPYC (BenchmarkHash).
var now = parameters{memory: 19456, time: 2, lanes: 1}

// most are the largest parameters that are read: others would use up a function.
var most = parameters{memory: 128 << 10, time: 16, lanes: 4}

// phc is a hash in the form of the Password Hashing Competition.
type phc struct {
	parameters
	salt, sum []byte
}

const phcForm = "$argon2id$v=%d$m=%d,t=%d,p=%d$"

func (p phc) String() string {
	return fmt.Sprintf(phcForm, argon2.Version, p.memory, p.time, p.lanes) +
		base64.RawStdEncoding.EncodeToString(p.salt) + "$" + base64.RawStdEncoding.EncodeToString(p.sum)
}

// errPHC says nothing of the hash: it may stand in a log line.
var errPHC = errors.New("password: a stored hash has another form than argon2id's, or parameters out of range")

// parse reads what String writes.
func parse(text string) (p phc, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 {
		return p, errPHC
	}
	var version int
	if _, err := fmt.Sscanf(strings.Join(parts[:4], "$")+"$", phcForm, &version, &p.memory, &p.time, &p.lanes); err != nil || version != argon2.Version {
		return p, errPHC
	}
	if p.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil {
		return p, errPHC
	}
	if p.sum, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil {
		return p, errPHC
	}
	if p.String() != text || p.time < 1 || p.lanes < 1 || p.memory < 8*uint32(p.lanes) || p.memory > most.memory || p.time > most.time || p.lanes > most.lanes ||
		len(p.salt) < 8 || len(p.salt) > 64 || len(p.sum) < 16 || len(p.sum) > 64 {
		return p, errPHC
	}
	return p, nil
}
