package gateway

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"portico/shared/jsontext"
)

// response is a function's answer in format 2.0. multiValueHeaders belong to
// format 1.0; they are accepted because adapters send them.
type response struct {
	StatusCode        *json.Number      `json:"statusCode"`
	Headers           map[string]text   `json:"headers"`
	MultiValueHeaders map[string][]text `json:"multiValueHeaders"`
	Cookies           []string          `json:"cookies"`
	Body              string            `json:"body"`
	IsBase64Encoded   bool              `json:"isBase64Encoded"`
}

// text is a string; a number or boolean is converted.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	if data[0] != '"' {
		*t = text(data)
		return nil
	}
	return json.Unmarshal(data, (*string)(t))
}

// readResponse reports whether payload is an answer in format 2.0. What jsontext
// does not understand is left to encoding/json.
func readResponse(payload []byte) (res response, ok bool) {
	var status int
	if jsontext.Read(payload, func(r *jsontext.Reader) { readMembers(r, &res, &status) }) && status > 0 {
		number := json.Number(strconv.Itoa(status))
		res.StatusCode = &number
		return res, true
	}
	res = response{}
	err := json.Unmarshal(payload, &res)
	return res, err == nil && res.StatusCode != nil
}

func readMembers(r *jsontext.Reader, res *response, status *int) {
	r.Object(func(name string) {
		switch name {
		case "statusCode":
			r.Number(status)
		case "headers":
			res.Headers = make(map[string]text, 16)
			r.Object(func(name string) {
				var value string
				r.String(&value)
				res.Headers[name] = text(value)
			})
		case "cookies":
			r.List(func() {
				var cookie string
				r.String(&cookie)
				res.Cookies = append(res.Cookies, cookie)
			})
		case "body":
			r.String(&res.Body)
		case "isBase64Encoded":
			r.Bool(&res.IsBase64Encoded)
		default: // also multiValueHeaders and names in capital letters, which encoding/json accepts
			r.Fail()
		}
	})
}

// writeResponse writes the function's answer. If it returns an error, it has
// written nothing.
func writeResponse(w http.ResponseWriter, payload []byte) error {
	res, ok := readResponse(payload)
	if !ok {
		return writeShorthand(w, payload)
	}
	status, err := strconv.Atoi(res.StatusCode.String())
	if err != nil || status < 200 || status > 599 {
		return fmt.Errorf("the function answered with statusCode %s", res.StatusCode)
	}
	body := []byte(res.Body)
	if res.IsBase64Encoded {
		if body, err = base64.StdEncoding.DecodeString(res.Body); err != nil {
			return fmt.Errorf("the function's body is not base64: %w", err)
		}
	}
	h := w.Header()
	for name, value := range res.Headers {
		h.Set(name, string(value))
	}
	for name, values := range res.MultiValueHeaders {
		h.Del(name)
		for _, v := range values {
			h.Add(name, string(v))
		}
	}
	for _, cookie := range res.Cookies {
		h.Add("Set-Cookie", cookie)
	}
	for _, ours := range []string{"Connection", "Transfer-Encoding"} {
		h.Del(ours)
	}
	if h.Get("Content-Type") == "" && len(body) > 0 {
		h.Set("Content-Type", "text/plain;charset=utf-8")
	}
	send(w, status, body)
	return nil
}

// writeShorthand uses any JSON without statusCode as the body of a 200.
func writeShorthand(w http.ResponseWriter, payload []byte) error {
	if !json.Valid(payload) {
		return fmt.Errorf("the function's answer is not JSON: %s", strings.ToValidUTF8(string(payload[:min(len(payload), 100)]), "?"))
	}
	w.Header().Set("Content-Type", "application/json")
	send(w, http.StatusOK, payload)
	return nil
}

func send(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	if status == http.StatusNoContent || status == http.StatusNotModified {
		h.Del("Content-Length")
	} else {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; 204 and 304 have no body
}
