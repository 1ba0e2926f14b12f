package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"portico/infra/local/template"
)

// binary is the path of a function's binary. Each function has its own folder,
// as on Lambda.
func binary(dir string, f template.Function) string {
	return filepath.Join(dir, filepath.Base(f.CodeURI), "bootstrap")
}

// buildDir holds the functions' binaries, between runs too.
func buildDir(root string) string {
	return filepath.Join(root, ".local", "build")
}

// deployed are the flags of infra/build/Makefile.
var deployed = []string{"-tags", "lambda.norpc", "-trimpath", "-ldflags=-s -w"}

// build compiles the stack's functions. Functions with a profiler are in a
// separate folder, so that no other run uses them.
func (s *Stack) build(ctx context.Context) error {
	flags := deployed
	switch {
	case s.opts.Profile:
		flags = []string{"-tags", "lambda.norpc,profile", "-trimpath", "-ldflags=-s -w"}
	case s.opts.Debug:
		flags = []string{"-tags", "lambda.norpc", "-gcflags=all=-N -l"}
	}
	return build(ctx, s.root, s.buildDir(), flags, s.Template.Functions)
}

// replaceCode makes functions other programs, as the options say.
func (s *Stack) replaceCode() {
	for i, f := range s.Template.Functions {
		if folder, ok := s.opts.Code[f.LogicalID]; ok {
			s.Template.Functions[i].CodeURI = folder
		}
	}
}

// buildDir is a folder of its own for a stack whose binaries no other run may use.
func (s *Stack) buildDir() string {
	dir := buildDir(s.root)
	if s.opts.Profile {
		dir += "-profile"
	}
	if len(s.opts.Code) > 0 {
		dir += "-other"
	}
	return dir
}

// build compiles functions into dir, for this machine. One call of go builds
// all, so that common packages are compiled once.
func build(ctx context.Context, root, dir string, flags []string, functions []template.Function) error {
	all := filepath.Join(dir, "bin")
	if err := os.MkdirAll(all, 0o755); err != nil {
		return err
	}
	unlock, err := lockFile(filepath.Join(dir, "lock")) // two stacks may start at once
	if err != nil {
		return err
	}
	defer unlock()
	args := slices.Concat([]string{"build", "-buildvcs=false", "-o", all + "/"}, flags)
	for _, f := range functions {
		if !exists(filepath.Join(root, f.CodeURI)) {
			return fmt.Errorf("%s: CodeUri %s is not a folder of the repository", f.LogicalID, f.CodeURI)
		}
		args = append(args, "./"+f.CodeURI)
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		return fmt.Errorf("building the functions needs Go: install it from https://go.dev/dl/ and put it on PATH")
	}
	cmd := exec.CommandContext(ctx, goTool, args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the functions: %w\n%s", err, out)
	}
	for _, f := range functions {
		if err := link(filepath.Join(all, filepath.Base(f.CodeURI)), binary(dir, f)); err != nil {
			return err
		}
	}
	return nil
}

// link gives the binary the name that Lambda expects.
func link(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if there, err := os.Readlink(to); err == nil && there == from {
		return nil
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.Symlink(from, to)
}

// lockFile waits until no other program holds the lock.
func lockFile(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil // closing releases
}
