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

	"portico/infra/bench/cost"
)

// side is one of the two trees that are compared.
type side struct {
	name     string
	process  *exec.Cmd
	input    io.WriteCloser
	readings *json.Decoder
	figures  map[string][]float64 // by name, one for each turn
	stack    string               // what is measured where
}

// against measures this tree and another commit's alternately: both stacks run,
// one works at a time, and the order changes with each turn. Other load on the
// machine affects both, so the ratio of a turn is more reliable than a single
// figure; its spread over the turns shows how reliable.
func against(ctx context.Context, o options) error {
	sizes := turnSizes{Rate: 10_000, Steady: 20 * time.Second, Beside: 10 * time.Second, Events: 10_000, Reference: 10_000, Hanging: 100_000}
	if o.short {
		sizes = turnSizes{Rate: 10_000, Steady: time.Second, Beside: time.Second, Events: 500, Reference: 1_000, Hanging: 1_000}
	}
	commit, err := output(".", "git", "rev-parse", "--short", "--verify", o.against+"^{commit}")
	if err != nil {
		return fmt.Errorf("-against %s: %w", o.against, err)
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
	fmt.Printf("%s; against %s, %d turns\n", sides[1].stack, commit, o.turns)
	load := cost.StartForeignLoad(os.Getpid())
	order, err := takeTurns(ctx, o, sides)
	if err != nil {
		return err
	}
	fmt.Println()
	reportTurns(os.Stdout, order, sides[0], sides[1])
	fmt.Println("\n" + loadOf(load))
	return nil
}

// takeTurns returns the names of the figures in their order. A measurement that
// one of the sides lacks is made in the first turn only, and has no ratio.
func takeTurns(ctx context.Context, o options, sides []*side) (order []string, err error) {
	measures := slices.Clone(o.measures)
	for n := range o.turns {
		progress("turn %d of %d …", n+1, o.turns)
		for _, measure := range slices.Clone(measures) {
			for i := range sides {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				s := sides[(i+n)%2]
				names, err := s.measure(measure)
				if errors.Is(err, errLacks) {
					progress("%s lacks the measurement %s", s.name, measure)
					measures = slices.DeleteFunc(measures, func(m string) bool { return m == measure })
					break
				}
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.name, err)
				}
				order = appendNew(order, names)
			}
		}
	}
	if len(measures) == 0 {
		return nil, fmt.Errorf("one of the commits has none of the measurements %s: choose others with -measure", strings.Join(o.measures, ", "))
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
	progress("building %s in %s …", commit, dir)
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
	var first reading
	err = s.readings.Decode(&first)
	s.stack = first.Stack
	return err
}

func (s *side) close() {
	s.input.Close()
	_ = s.process.Wait() // it has printed its error
}

// errLacks is returned for a measurement that the side's commit does not have.
var errLacks = errors.New("this commit lacks the measurement")

// measure returns the names of the figures that it recorded.
func (s *side) measure(name string) (names []string, err error) {
	if _, err := io.WriteString(s.input, name+"\n"); err != nil {
		return nil, err
	}
	var r reading
	if err := s.readings.Decode(&r); err != nil {
		return nil, fmt.Errorf("%s: the bench ended: %w", name, err)
	}
	if strings.HasPrefix(r.Problem, noMeasurement) {
		return nil, errLacks
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
