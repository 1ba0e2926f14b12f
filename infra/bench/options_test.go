package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// Arguments that cannot be run are refused with a sentence.
func TestParse(t *testing.T) {
	for args, want := range map[string]string{
		"":                                "",
		"-long":                           "",
		"-only neighbours":                "",
		"-only limits":                    "",
		"-only identity":                  "",
		"-only jobs":                      "",
		"-only mail":                      "",
		"-against HEAD~1":                 "",
		"-against HEAD~1 -turns 3":        "",
		"-short -against HEAD~1 -turns 1": "",
		"-only all":                       `there is no part "all": choose one of speed, costs`,
		"-only soak -long":                "give -only to run one part, or -long to run all",
		"-measure drain":                  "give a commit with -against",
		"-against main -measure drian":    `there is no measurement "drian": choose from reference, steady`,
		"-against HEAD~1 -turns 2":        "-turns 2: the result of fewer than 3 turns is not reliable",
	} {
		_, err := parse(strings.Fields(args))
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", args, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
	o, err := parse([]string{"-against", "main", "-measure", "drain,neighbours"})
	if err != nil || !slices.Equal(o.measures, []string{"drain", "neighbours"}) {
		t.Errorf("%v %v", o.measures, err)
	}
	if o, _ := parse(nil); !slices.Equal(o.measures, turnMeasures) {
		t.Errorf("without -measure: %v", o.measures)
	}
}

// A figure that only one of the commits has is left out.
func TestReportTurns(t *testing.T) {
	var out bytes.Buffer
	reportTurns(&out, []string{"drain: deliveries/s", "drain: WAL bytes per delivery"},
		&side{name: "old", figures: map[string][]float64{"drain: deliveries/s": {100, 300, 200}}},
		&side{name: "new", figures: map[string][]float64{"drain: deliveries/s": {100, 150, 220}, "drain: WAL bytes per delivery": {1, 1, 1}}})
	got := strings.Join(strings.Fields(out.String()), " ")
	if want := "figure old new ratio from – to drain: deliveries/s 200 150 1.00 0.50 – 1.10"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
