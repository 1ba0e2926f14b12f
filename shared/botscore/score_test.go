package botscore_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"portico/shared/botscore"
)

// entry is a line of the corpus: a request of a client, with who has sent it and
// how that is known.
type entry struct {
	Client, Label, Source, What, Method string
	Headers                             map[string]string
	held                                bool // not looked at when the weights were chosen
}

func (e entry) request() *http.Request {
	r := &http.Request{Method: e.Method, Header: http.Header{}}
	for name, value := range e.Headers {
		r.Header.Set(name, value)
	}
	return r
}

// corpus reads the labelled requests. Every second client is held out, with all
// its requests, because those are alike.
func corpus(t testing.TB) (list []entry) {
	t.Helper()
	file, err := os.Open("testdata/corpus.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	number := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if _, known := number[e.Client]; !known {
			number[e.Client] = len(number)
		}
		e.held = number[e.Client]%2 == 1
		list = append(list, e)
	}
	return list
}

// count is how many bots of a part were found and how many browsers mistaken.
type count struct{ bots, found, browsers, mistaken int }

func (c *count) add(e entry, isBot bool) {
	switch {
	case e.Label == "bot" && isBot:
		c.bots, c.found = c.bots+1, c.found+1
	case e.Label == "bot":
		c.bots++
	case isBot:
		c.browsers, c.mistaken = c.browsers+1, c.mistaken+1
	default:
		c.browsers++
	}
}

// At least 90 % of the bots are found and at most 1 % of the browsers mistaken, of
// all and of those that were held out.
func TestCorpus(t *testing.T) {
	var all, held count
	for _, e := range corpus(t) {
		score := botscore.Of(e.request())
		isBot := score.Value >= botscore.Bot
		if all.add(e, isBot); e.held {
			held.add(e, isBot)
		}
		if isBot != (e.Label == "bot") {
			t.Logf("not recognized: %s, %s, %s: %d %s", e.Label, e.Client, e.What, score.Value, score.Signals())
		}
		if e.Source == "" || e.What == "" || e.Label != "bot" && e.Label != "browser" {
			t.Errorf("%s lacks a source, a kind or a label", e.Client)
		}
	}
	for name, c := range map[string]count{"all": all, "held out": held} {
		t.Logf("%s: %d of %d bots found, %d of %d browsers mistaken", name, c.found, c.bots, c.mistaken, c.browsers)
		if c.bots < 50 || c.browsers < 40 {
			t.Errorf("%s: only %d bots and %d browsers", name, c.bots, c.browsers)
		}
		if c.found*10 < c.bots*9 {
			t.Errorf("%s: %d of %d bots were found, less than 90 %%", name, c.found, c.bots)
		}
		if c.mistaken*100 > c.browsers {
			t.Errorf("%s: %d of %d browsers were mistaken, more than 1 %%", name, c.mistaken, c.browsers)
		}
	}
}
