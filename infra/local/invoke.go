package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"portico/infra/local/lambda"
	"portico/infra/local/services"
	"portico/infra/local/stack"
)

// invoke prints the function's reply on stdout and everything else on stderr. If
// the function fails, the exit code is 1 and the reply is its error.
func invoke(root, name, file string, stdout, stderr io.Writer) error {
	dir, err := services.StateDir(root)
	if err != nil {
		return err
	}
	ctx, cancel := interrupted()
	defer cancel()
	log := lines{stderr, printer{stderr, colourful(stderr)}.paint}
	reply, err := stack.InvokeOnce(ctx, stack.Options{Root: root, StateDir: dir, Log: log}, name, file)
	if failed := new(lambda.FunctionError); errors.As(err, &failed) {
		reply, err = failed.Payload, exitCode(1)
	}
	if len(reply) > 0 {
		_, writeErr := fmt.Fprintf(stdout, "%s\n", bytes.TrimSpace(reply))
		err = errors.Join(err, writeErr)
	}
	return err
}
