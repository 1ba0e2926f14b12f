package aws

import (
	"encoding/xml"
	"net/http"
	"time"
)

// assumed is the reply to AssumeRole:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
type assumed struct {
	XMLName         xml.Name  `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	AccessKeyID     string    `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	SecretAccessKey string    `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	SessionToken    string    `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expiration      time.Time `xml:"AssumeRoleResult>Credentials>Expiration"`
}

// refused is an error of STS.
type refused struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
}

// isSTS reports whether a request is one of STS, which sends forms to the root.
func isSTS(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == "/" && r.Header.Get("Content-Type") == "application/x-www-form-urlencoded"
}

// serveSTS lets everybody assume every role, but only with an external id: as if each role
// asked for one.
func (s *Server) serveSTS(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
	status, reply := http.StatusOK, any(assumed{
		AccessKeyID: "ASIALOCAL", SecretAccessKey: "local", SessionToken: "local", Expiration: s.opts.Now().Add(15 * time.Minute).UTC(),
	})
	switch {
	case r.FormValue("Action") != "AssumeRole":
		status, reply = http.StatusBadRequest, refused{Type: "Sender", Code: "InvalidAction", Message: "the local stack serves only AssumeRole"}
	case r.FormValue("ExternalId") == "":
		status, reply = http.StatusForbidden, refused{Type: "Sender", Code: "AccessDenied", Message: "the role asks for an external id"}
	}
	body, err := xml.Marshal(reply)
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
