// Command fn is a function that does what its payload says.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type order struct {
	Do   string `json:"do"`
	Arg  string `json:"arg"`
	Size int    `json:"size"`
}

var held [][]byte

func main() {
	switch os.Getenv("INIT") {
	case "crash":
		fmt.Println("cannot start")
		os.Exit(3)
	case "hang":
		time.Sleep(time.Hour)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, payload json.RawMessage) (any, error) {
	var o order
	if err := json.Unmarshal(payload, &o); err != nil {
		return nil, err
	}
	switch o.Do {
	case "pid":
		return os.Getpid(), nil
	case "env":
		return os.Getenv(o.Arg), nil
	case "environ":
		return os.Environ(), nil
	case "context":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{
			"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "left": time.Until(deadline).Seconds(),
			"trace": os.Getenv("_X_AMZN_TRACE_ID"),
		}, nil
	case "fetch": // blocks as long as the test's server does
		resp, err := http.Get(o.Arg)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	case "hang":
		select {}
	case "fail":
		return nil, errors.New(o.Arg)
	case "panic":
		panic(o.Arg)
	case "exit":
		os.Exit(7)
	case "print":
		fmt.Print(o.Arg)
		fmt.Fprint(os.Stderr, "to stderr\n")
	case "grow":
		block := make([]byte, o.Size)
		for i := range block {
			block[i] = 1
		}
		held = append(held, block)
		select {}
	case "big":
		return strings.Repeat("x", o.Size), nil
	}
	return payload, nil
}
