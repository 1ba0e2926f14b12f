package jsontext_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portico/shared/jsontext"
)

// Any text becomes a JSON string that means the same.
func TestAppendString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		var got string
		if err := json.Unmarshal(jsontext.AppendString(nil, text), &got); err != nil || got != strings.ToValidUTF8(text, "\uFFFD") {
			t.Fatalf("%q became %q: %v", text, got, err)
		}
	})
	if got := string(jsontext.AppendString(nil, "<&>\x01\u2028\n")); got != `"<&>\u0001`+"\u2028"+`\n"` {
		t.Errorf("got %s", got)
	}
}

// record has a member of every kind that a Reader reads.
type record struct {
	Text   string            `json:"text"`
	Many   []string          `json:"many"`
	Pairs  map[string]string `json:"pairs"`
	Flag   bool              `json:"flag"`
	Number int               `json:"number"`
}

func read(text []byte) (got record, ok bool) {
	ok = jsontext.Read(text, func(r *jsontext.Reader) {
		r.Object(func(name string) {
			switch name {
			case "text":
				r.String(&got.Text)
			case "many":
				got.Many = []string{}
				r.List(func() {
					var one string
					r.String(&one)
					got.Many = append(got.Many, one)
				})
			case "pairs":
				got.Pairs = map[string]string{}
				r.Object(func(name string) {
					var value string
					r.String(&value)
					got.Pairs[name] = value
				})
			case "flag":
				r.Bool(&got.Flag)
			case "number":
				r.Number(&got.Number)
			case "fail":
				r.Fail()
			default:
				r.Skip()
			}
		})
	})
	return got, ok
}

// A Reader finds what encoding/json finds, or does not understand the text. It
// understands every text without \u, whatever stands in the members it skips.
func TestRead(t *testing.T) {
	texts := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", `"`, `\`, "a\nb", `{"a":"b"}`, "é", "}]", "\t/"}))
	rapid.Check(t, func(t *rapid.T) {
		want := record{
			Text: texts.Draw(t, "text"), Many: rapid.SliceOf(texts).Draw(t, "many"), Pairs: rapid.MapOf(texts, texts).Draw(t, "pairs"),
			Flag: rapid.Bool().Draw(t, "flag"), Number: rapid.IntRange(0, 999_999_999).Draw(t, "number"),
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		other := rapid.SampledFrom([]string{`-1.5e+10`, `null`, `"}\""`, `[]`, `{}`, `[1,{"a":["]",{}]},false]`}).Draw(t, "other")
		text = append([]byte(`{ "other" : `+other+`, `), text[1:]...)
		if rapid.Bool().Draw(t, "indented") {
			text = []byte(strings.ReplaceAll(string(text), `,"`, ",\n\t\"")) // also inside texts, so want is read again
		}
		if err := json.Unmarshal(text, &want); err != nil {
			return // the white space got into a text
		}
		got, ok := read(text)
		if diff := cmp.Diff(want, got); ok && diff != "" {
			t.Fatalf("%s: -want +got:\n%s", text, diff)
		}
		if !ok && !strings.Contains(string(text), `\u`) {
			t.Fatalf("%s was not understood", text)
		}
	})
}

// Text that is no JSON is not understood, wherever it is cut off.
func TestReadRefuses(t *testing.T) {
	whole := `{"text":"a\"b","many":["x","y"],"pairs":{"k":"v"},"flag":true,"number":12,"other":[{"a":1}]}`
	for i := range len(whole) {
		if _, ok := read([]byte(whole[:i])); ok {
			t.Errorf("understood %s", whole[:i])
		}
	}
	for _, text := range []string{
		whole + "x", `{"text":1}`, `{"text":"` + "\n" + `"}`, `{"text":"\x"}`, `{"text":"a",}`, `{"text" "a"}`, `{"flag":1}`, `{"flag":tru}`,
		`{"number":01}`, `{"number":-1}`, `{"number":1.5}`, `{"number":1234567890}`, `{"fail":1}`, `{"other":]}`, `{"other":}`, "{\"text\":\"\xff\"}", `[]`,
	} {
		if _, ok := read([]byte(text)); ok {
			t.Errorf("understood %s", text)
		}
	}
	if got, ok := read([]byte(whole)); !ok || got.Text != `a"b` || got.Number != 12 {
		t.Errorf("%+v, %v", got, ok)
	}
}
