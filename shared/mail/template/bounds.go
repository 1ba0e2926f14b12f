package template

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
)

// Go's templates cannot be stopped from outside. So what an override costs is known
// before it is rendered: a step for each of its nodes and arguments, more for a
// message, and those in a loop for each element of its list. As no loop contains
// another one, that is a sum. The rest of the time is that of its output, and the
// output is bounded too.
const (
	maxOutput = 256 << 10 // bytes of all parts together
	maxSteps  = 20_000    // of all parts; takes some milliseconds
	maxData   = 64 << 10  // bytes of all texts of the data
	ofMessage = 50        // steps that t, n and at take
)

// budget is what one part costs.
type budget struct {
	once  int // steps outside of loops
	loops []loop
}

// loop is a loop over a list of the page: the path to the list, and the steps for
// each of its elements.
type loop struct {
	path []string
	each int
}

func (b *budget) add(steps int, inRange bool) {
	if inRange {
		b.loops[len(b.loops)-1].each += steps
	} else {
		b.once += steps
	}
}

func (b *budget) loop(path []string) { b.loops = append(b.loops, loop{path: path}) }

var errTooMuch = errors.New("template: it would take too long to render")

// affordable returns an error if the override would take too long with these data.
func (o *Override) affordable(p page) error {
	if n := textIn(reflect.ValueOf(p.Data)); n > maxData {
		return fmt.Errorf("%w: the data have %d bytes, at most %d are allowed", errTooMuch, n, maxData)
	}
	total, most := 0, 0
	dearest := ""
	for part, b := range o.steps {
		steps := b.with(p)
		if total += steps; steps > most {
			most, dearest = steps, part
		}
	}
	if total > maxSteps {
		return &partError{dearest, fmt.Errorf("%w: %d steps, at most %d are allowed", errTooMuch, total, maxSteps)}
	}
	return nil
}

// with returns the steps that a part takes with the data of a page.
func (b budget) with(p page) int {
	steps := b.once
	for _, l := range b.loops {
		v := reflect.ValueOf(p)
		for _, part := range l.path {
			if v = v.FieldByName(part); v.Kind() == reflect.Interface {
				v = v.Elem()
			}
		}
		steps += l.each * v.Len()
	}
	return steps
}

// textIn counts the bytes of all texts.
func textIn(v reflect.Value) (n int) {
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Slice:
		for i := range v.Len() {
			n += textIn(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			n += textIn(v.Field(i))
		}
	}
	return n
}

// output keeps at most left more bytes, and then ends the template with an error.
type output struct {
	text bytes.Buffer
	left int
}

func (o *output) Write(text []byte) (int, error) {
	if o.left -= len(text); o.left < 0 {
		return 0, fmt.Errorf("template: it makes more than %d KiB", maxOutput>>10)
	}
	return o.text.Write(text)
}

// take returns what was written since the last take.
func (o *output) take() string {
	text := o.text.String()
	o.text.Reset()
	return text
}
