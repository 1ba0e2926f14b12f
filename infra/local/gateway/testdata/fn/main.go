// Command fn answers a request with the event it got, or as its headers say.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(_ context.Context, payload json.RawMessage) (json.RawMessage, error) {
		var e struct{ Headers map[string]string }
		if err := json.Unmarshal(payload, &e); err != nil {
			return nil, err
		}
		switch {
		case e.Headers["x-fail"] != "":
			return nil, errors.New(e.Headers["x-fail"])
		case e.Headers["x-wait"] != "": // until that URL answers
			resp, err := http.Get(e.Headers["x-wait"])
			if err != nil {
				return nil, err
			}
			return json.RawMessage(`{}`), resp.Body.Close()
		case e.Headers["x-size"] != "":
			size, err := strconv.Atoi(e.Headers["x-size"])
			return json.RawMessage(`"` + strings.Repeat("x", size) + `"`), err
		case e.Headers["x-noop"] != "":
			return json.RawMessage(`{"statusCode":200,"headers":{"Content-Type":"application/json"},"body":"{}"}`), nil
		case e.Headers["x-reply"] != "":
			return json.RawMessage(e.Headers["x-reply"]), nil
		}
		return payload, nil
	})
}
