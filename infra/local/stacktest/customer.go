package stacktest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Customer is an organization with a key that has every permission.
type Customer struct {
	Key   string
	t     *testing.T
	stack Stack
}

// NewCustomer creates an organization with the test's name.
func NewCustomer(t *testing.T, s Stack) Customer {
	t.Helper()
	reply, err := s.Invoke(context.Background(), "bootstrap", []byte(`{"command":"create_organization","name":"`+t.Name()+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		APIKey string `json:"api_key"`
	}
	if err := json.Unmarshal(reply, &made); err != nil || made.APIKey == "" {
		t.Fatalf("bootstrap answered %s", reply)
	}
	return Customer{Key: made.APIKey, t: t, stack: s}
}

// Try calls the API once. headers are names, each followed by its value. Status
// 0 means that there was no reply; the text is then the reason.
func (c Customer) Try(method, path, body string, headers ...string) (status int, reply string, header http.Header) {
	c.t.Helper()
	req, err := http.NewRequest(method, c.stack.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error(), nil
	}
	return res.StatusCode, string(text), res.Header
}

// Do calls the API, expects a status, and decodes the reply into out unless that
// is nil.
func (c Customer) Do(method, path, body string, want int, out any) {
	c.t.Helper()
	status, reply, _ := c.Try(method, path, body)
	if status != want {
		c.t.Fatalf("%s %s: %d %s, want %d", method, path, status, reply, want)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal([]byte(reply), out); err != nil {
		c.t.Fatalf("%s %s: %v in %s", method, path, err, reply)
	}
}
