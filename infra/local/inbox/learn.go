package inbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

const endpointsPath = "/v1/webhook-endpoints"

// Learn wraps the API. It reads the replies that show an endpoint's secret or
// public key, if the endpoint is the inbox.
func (in *Inbox) Learn(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || !strings.HasPrefix(r.URL.Path, endpointsPath) {
			api.ServeHTTP(w, r)
			return
		}
		reply := &copied{ResponseWriter: w, status: http.StatusOK}
		api.ServeHTTP(reply, r)
		if reply.status > 299 {
			return
		}
		var e struct {
			ID, URL, Secret string
			PublicKey       string `json:"public_key"`
		}
		if json.Unmarshal(reply.body.Bytes(), &e) == nil && e.ID != "" && in.at(e.URL) {
			in.keys.add(e.ID, e.Secret, e.PublicKey)
		}
	})
}

// at reports whether an endpoint's URL is the inbox's, under any host name of
// this machine.
func (in *Inbox) at(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Path == in.path
}

// copied sends a reply and keeps a copy.
type copied struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (c *copied) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *copied) Write(data []byte) (int, error) {
	c.body.Write(data)
	return c.ResponseWriter.Write(data)
}
