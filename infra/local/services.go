package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"portico/infra/local/services"
)

// withServices runs a command with Postgres, DynamoDB and S3 that keep no data, and
// exits like the command.
func withServices(root string, command []string, stderr io.Writer) error {
	progress := printer{stderr, colourful(stderr)}.progress
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	started := make(chan error, 1)
	var postgres *services.Postgres
	var dynalite *services.Dynalite
	go func() {
		var err error
		postgres, err = services.StartPostgres(ctx, services.PostgresOptions{URL: os.Getenv("DATABASE_URL"), Throwaway: true, Progress: progress})
		if err == nil {
			dynalite, err = services.StartDynalite(ctx, services.DynaliteOptions{Package: filepath.Join(root, "infra", "local"), Progress: progress})
		}
		started <- err
	}()
	var err error
	select {
	case err = <-started:
	case <-signals:
		cancel()
		<-started
		err = exitCode(130)
	}
	if postgres != nil {
		defer postgres.Stop()
	}
	if dynalite != nil {
		defer dynalite.Stop()
	}
	if err != nil {
		return err
	}
	objects, stopS3, err := startS3()
	if err != nil {
		return err
	}
	defer stopS3()
	moto, stopMoto, err := startMoto(ctx, root)
	if err != nil {
		return err
	}
	defer stopMoto()
	return runCommand(command, signals, "PORTICO_TEST_DATABASE_URL="+postgres.AdminURL(), "PORTICO_TEST_DYNAMODB_URL="+dynalite.URL,
		"PORTICO_TEST_S3_URL="+objects, "PORTICO_TEST_MOTO_URL="+moto)
}

// runCommand passes the first signal on and kills the command at the second. The
// command has its own process group, so that it gets each signal once.
func runCommand(command []string, signals <-chan os.Signal, env ...string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=us-east-1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot run %s: %w", command[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for asked := false; ; asked = true {
		select {
		case s := <-signals:
			number, _ := s.(syscall.Signal)
			if asked {
				number = syscall.SIGKILL
			}
			_ = syscall.Kill(-cmd.Process.Pid, number) // it may have ended
		case err := <-ended:
			return commandResult(cmd, err)
		}
	}
}

func commandResult(cmd *exec.Cmd, err error) error {
	if failed := new(exec.ExitError); !errors.As(err, &failed) {
		return err
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitCode(128 + int(status.Signal()))
	}
	return exitCode(cmd.ProcessState.ExitCode())
}
