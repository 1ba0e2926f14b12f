package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"portico/infra/local/stack"
)

// withStack runs a command with a throw-away stack, and exits like the command.
// PORTICO_URL and PORTICO_KEY are the stack's address and its first key. The
// functions' log is .local/with-stack.log.
func withStack(root string, command []string, stderr io.Writer) error {
	ctx, cancel := interrupted()
	defer cancel()
	log, err := os.Create(filepath.Join(root, ".local", "with-stack.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s, err := stack.Start(ctx, stack.Options{
		Root: root, Throwaway: true, DatabaseURL: os.Getenv("DATABASE_URL"), Log: log, Progress: printer{stderr, colourful(stderr)}.progress,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	reply, err := s.Invoke(ctx, "bootstrap", []byte(`{"command":"create_organization","name":"Throw-away"}`))
	if err != nil {
		return err
	}
	var made struct {
		APIKey string `json:"api_key"`
	}
	if err := json.Unmarshal(reply, &made); err != nil || made.APIKey == "" {
		return fmt.Errorf("bootstrap created no key: %s", reply)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	return runCommand(command, signals, "PORTICO_URL="+s.URL, "PORTICO_KEY="+made.APIKey)
}
