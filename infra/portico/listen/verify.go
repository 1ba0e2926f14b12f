package listen

import (
	"crypto/hmac"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"portico/shared/webhook/signing"
)

// maxAnswer is how much of the local program's answer is read: enough for the
// connection to be used again.
const maxAnswer = 64 << 10

var errSignature = errors.New("the signature is not valid: it was not forwarded")

// verify checks that an item is signed with the consumer's secret (Standard
// Webhooks). It does not compare the time with this machine's clock: the item has
// just come over the API's connection.
func verify(item Item, secret string) error {
	id, signatures := item.Headers["Webhook-Id"], item.Headers["Webhook-Signature"]
	seconds, err := strconv.ParseInt(item.Headers["Webhook-Timestamp"], 10, 64)
	if err != nil || id != item.EventID {
		return errSignature
	}
	want, err := signing.SignStandard(id, time.Unix(seconds, 0), []byte(item.Body), secret)
	if err != nil {
		return err
	}
	// During a rotation there are two signatures.
	for got := range strings.FieldsSeq(signatures) {
		if hmac.Equal([]byte(got), []byte(want)) {
			return nil
		}
	}
	return errSignature
}

// drain reads an answer to its end and closes it.
func drain(res *http.Response) error {
	defer res.Body.Close()
	_, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	return err
}

// withoutURL drops the address, which the user has given.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
