package jobtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"portico/shared/job"
)

// checkArguments reads the golden file of a kind: a line of JSON for each shape that
// its arguments ever had. Each must still be read without a field left over, and
// the arguments of today must have the shape of one of them.
func checkArguments(registry *job.Registry, kind, folder string, today []string) (problems []string) {
	file := filepath.Join(folder, kind+".json")
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return []string{err.Error()}
	}
	var shapes []string
	for line := range bytes.Lines(text) {
		if err := registry.Check(kind, line); err != nil {
			problems = append(problems, fmt.Sprintf("%s: jobs with the arguments %s may still wait, but the kind can no longer read them: %v", kind, strings.TrimSpace(string(line)), err))
		}
		shapes = append(shapes, shape(line))
	}
	for _, args := range today {
		if !slices.Contains(shapes, shape([]byte(args))) {
			problems = append(problems, fmt.Sprintf("%s: its arguments have a new shape: add this line to %s:\n%s", kind, file, args))
		}
	}
	return problems
}

// shape returns the names and types of a JSON value.
func shape(text []byte) string {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return err.Error()
	}
	return shapeOf(value)
}

func shapeOf(value any) string {
	switch v := value.(type) {
	case map[string]any:
		var members []string
		for name, member := range v {
			members = append(members, name+" "+shapeOf(member))
		}
		slices.Sort(members)
		return "{" + strings.Join(members, ", ") + "}"
	case []any:
		var elements []string
		for _, element := range v {
			elements = append(elements, shapeOf(element))
		}
		slices.Sort(elements)
		return "[" + strings.Join(slices.Compact(elements), ", ") + "]"
	}
	return fmt.Sprintf("%T", value)
}
