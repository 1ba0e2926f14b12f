package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"portico/infra/local/lambda"
	"portico/infra/local/services"
	"portico/infra/local/stack"
)

// invoke prints the function's reply on stdout and all else on stderr. A
// function that fails is an exit code of 1, its error the reply.
func invoke(root, name, file string, stdout, stderr io.Writer) error {
	event, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("cannot read the event: %w", err)
	}
	if !json.Valid(event) {
		return fmt.Errorf("%s is not JSON", file)
	}
	dir, err := services.StateDir(root)
	if err != nil {
		return err
	}
	ctx, cancel := interrupted()
	defer cancel()
	reply, joined, err := stack.InvokeOnce(ctx, stack.Options{Root: root, StateDir: dir, Log: stderr}, name, event)
	if !joined {
		fmt.Fprintln(stderr, "local: no stack is running (make up starts one): the function has no database and no AWS")
	}
	if failed := new(lambda.FunctionError); errors.As(err, &failed) {
		reply, err = failed.Payload, exitCode(1)
	}
	if len(reply) > 0 {
		_, writeErr := fmt.Fprintf(stdout, "%s\n", bytes.TrimSpace(reply))
		err = errors.Join(err, writeErr)
	}
	return err
}
