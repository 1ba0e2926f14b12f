package apitest

import (
	"net/http"
	"net/http/httptest"
	"sync"

	"portico/infra/fuzz/generate"
	"portico/shared/api"
)

// Published is the published description, which all tests use.
var Published = sync.OnceValue(func() *generate.Document {
	text, err := api.OpenAPI()
	if err != nil {
		panic(err)
	}
	d, err := generate.Read(text)
	if err != nil {
		panic(err)
	}
	return d
})

// checkAgainstDescription compares the reply to every call of every test with the
// published description.
func (c Caller) checkAgainstDescription(r *http.Request, w *httptest.ResponseRecorder) {
	c.T.Helper()
	operation := Published().Find(r.Method, r.URL.Path)
	if operation == nil {
		return
	}
	if err := Published().CheckReply(operation, w.Code, w.Header().Get("Content-Type"), w.Body.Bytes()); err != nil {
		c.T.Errorf("%s %s: %v: %s", r.Method, r.URL.Path, err, w.Body)
	}
}
