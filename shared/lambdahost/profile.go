//go:build profile

package lambdahost

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"syscall"
)

// profile writes this process's CPU profile into the folder that
// PORTICO_CPU_PROFILES names, when the process is told to end. Only `make bench`
// builds it in and sets the variable; Lambda never tells.
func profile() error {
	folder := os.Getenv("PORTICO_CPU_PROFILES")
	if folder == "" {
		return nil
	}
	name := fmt.Sprintf("%s-%d.pprof", os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), os.Getpid())
	f, err := os.Create(filepath.Join(folder, name))
	if err != nil {
		return fmt.Errorf("PORTICO_CPU_PROFILES: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		<-ended
		pprof.StopCPUProfile()
		_ = f.Close() // whoever reads it sees a short file
		os.Exit(0)
	}()
	return nil
}
