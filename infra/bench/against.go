package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// side is one of the two trees that are compared.
type side struct {
	name     string
	process  *exec.Cmd
	input    io.WriteCloser
	readings *json.Decoder
	figures  map[string][]float64 // by name, one for each turn
}

// against measures this tree and another commit's alternately: both stacks run,
// one works at a time, and the order changes with each turn. Other load on the
// machine affects both, so the ratio of a turn is more reliable than a single
// figure; its spread over the turns shows how reliable.
func against(ctx context.Context, o options, revision string) error {
	sizes := turnSizes{Rate: 10_000, Steady: 5 * time.Second, Events: 5_000, Reference: 10_000}
	if o.short {
		sizes = turnSizes{Rate: 10_000, Steady: time.Second, Events: 500, Reference: 1_000}
	}
	commit, err := output(".", "git", "rev-parse", "--short", "--verify", revision+"^{commit}")
	if err != nil {
		return fmt.Errorf("-against %s: %w", revision, err)
	}
	dir, err := checkOut(ctx, commit)
	if err != nil {
		return err
	}
	here, err := thisTree()
	if err != nil {
		return err
	}
	sides := []*side{{name: commit}, {name: here}}
	for i, s := range sides {
		if err := s.start([]string{dir, "."}[i], sizes); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		defer s.close()
	}
	load := startForeignLoad(os.Getpid())
	order, err := takeTurns(ctx, o.turns, sides)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s against %s, %d turns, %s\nother processes used %.2f of this machine's %d cores\n\n", here, commit, o.turns, machine(), load.cores(), load.count)
	reportTurns(os.Stdout, order, sides[0], sides[1])
	return nil
}

// takeTurns returns the names of the figures in their order.
func takeTurns(ctx context.Context, turns int, sides []*side) (order []string, err error) {
	for n := range turns {
		fmt.Printf("turn %d of %d …\n", n+1, turns)
		for _, measure := range turnMeasures {
			for i := range sides {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				s := sides[(i+n)%2]
				names, err := s.measure(measure)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.name, err)
				}
				order = appendNew(order, names)
			}
		}
	}
	return order, nil
}

// checkOut writes the commit's files into a folder below .local and builds its
// bench there.
func checkOut(ctx context.Context, commit string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(".local", "against", commit))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	fmt.Printf("building %s in %s …\n", commit, dir)
	files, err := exec.CommandContext(ctx, "git", "archive", commit).Output()
	if err != nil {
		return "", fmt.Errorf("git archive %s: %w", commit, err)
	}
	unpack := exec.CommandContext(ctx, "tar", "-x", "-C", dir)
	unpack.Stdin = bytes.NewReader(files)
	if out, err := unpack.CombinedOutput(); err != nil {
		return "", fmt.Errorf("tar: %w\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "infra", "bench", "turn.go")); err != nil {
		return "", fmt.Errorf("the bench of %s cannot be compared in turns: choose a later commit", commit)
	}
	_, err = output(dir, "go", "build", "-o", ".local/bin/bench", "./infra/bench")
	return dir, err
}

// thisTree names the commit of this folder, and says whether files differ from
// it.
func thisTree() (string, error) {
	commit, err := output(".", "git", "rev-parse", "--short", "HEAD")
	if err != nil {
		return "", err
	}
	changed, err := output(".", "git", "status", "--porcelain", "--untracked-files=no")
	if changed != "" {
		commit += " with changes"
	}
	return commit, err
}

func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		err = fmt.Errorf("%s %s: %s", name, args[0], bytes.TrimSpace(failed.Stderr))
	}
	return strings.TrimSpace(string(out)), err
}

// start runs the tree's bench and waits until its stack runs.
func (s *side) start(dir string, sizes turnSizes) error {
	arg, err := json.Marshal(sizes)
	if err != nil {
		return err
	}
	s.figures = map[string][]float64{}
	s.process = exec.Command(filepath.Join(dir, ".local", "bin", "bench"), turnMode, string(arg))
	s.process.Dir = dir
	if s.input, err = s.process.StdinPipe(); err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	s.process.ExtraFiles = []*os.File{write}
	s.process.Stderr = os.Stderr
	s.readings = json.NewDecoder(read)
	err = s.process.Start()
	write.Close() // the process has its own copy
	if err != nil {
		return err
	}
	return s.readings.Decode(&reading{})
}

func (s *side) close() {
	s.input.Close()
	_ = s.process.Wait() // it has printed its error
}

// measure returns the names of the figures that it recorded.
func (s *side) measure(name string) (names []string, err error) {
	if _, err := io.WriteString(s.input, name+"\n"); err != nil {
		return nil, err
	}
	var r reading
	if err := s.readings.Decode(&r); err != nil {
		return nil, fmt.Errorf("%s: the bench ended: %w", name, err)
	}
	if r.Problem != "" {
		return nil, errors.New(r.Problem)
	}
	for _, f := range r.Figures {
		s.figures[f.Name] = append(s.figures[f.Name], f.Value)
		names = append(names, f.Name)
	}
	return names, nil
}

func appendNew(to, names []string) []string {
	for _, name := range names {
		if !slices.Contains(to, name) {
			to = append(to, name)
		}
	}
	return to
}

// reportTurns prints each figure's medians, and the median, least and greatest
// ratio of a turn.
func reportTurns(w io.Writer, order []string, before, now *side) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "figure\t%s\t%s\tratio\tfrom – to\n", before.name, now.name)
	for _, name := range order {
		old, new := before.figures[name], now.figures[name]
		ratios := make([]float64, min(len(old), len(new)))
		for i := range ratios {
			ratios[i] = new[i] / old[i]
		}
		if len(ratios) == 0 {
			continue // only one side measures it
		}
		fmt.Fprintf(t, "%s\t%.4g\t%.4g\t%.2f\t%.2f – %.2f\n", name, median(old), median(new), median(ratios), slices.Min(ratios), slices.Max(ratios))
	}
	_ = t.Flush() // a terminal that is gone
}

// median returns the middle value; of an even number, the mean of the middle
// two.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
