package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

// client calls the public API with a key.
type client struct{ url, key string }

// call returns the status and decodes a JSON reply into out, if given.
func (c client) call(ctx context.Context, method, path string, in, out any) (int, error) {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if res.StatusCode > 299 {
		return res.StatusCode, fmt.Errorf("demo: %s %s answered %d: %s", method, path, res.StatusCode, reply)
	}
	if out == nil {
		return res.StatusCode, nil
	}
	return res.StatusCode, json.Unmarshal(reply, out)
}

func (c client) must(ctx context.Context, method, path string, in, out any) error {
	_, err := c.call(ctx, method, path, in, out)
	return err
}

// state is kept from one start to the next: secrets of a throw-away organization
// on this machine, in a file that only its owner can read.
type state struct {
	APIKey    string              `json:"api_key"`
	Endpoints map[string]endpoint `json:"endpoints"` // by the receiver's path
}

type endpoint struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// loadState returns the state of the last start, or an empty one.
func loadState(file string) state {
	var s state
	if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &s) == nil {
		return s
	}
	return state{}
}

func newState(bootstrapped []byte) (state, error) {
	s := state{Endpoints: map[string]endpoint{}}
	if err := json.Unmarshal(bootstrapped, &s); err != nil || s.APIKey == "" {
		return s, fmt.Errorf("demo: bootstrap answered %s", bootstrapped)
	}
	return s, nil
}

func (s state) save(file string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}
