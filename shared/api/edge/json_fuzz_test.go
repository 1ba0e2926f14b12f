package edge

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzCheckJSON: what is accepted is what encoding/json reads, without repeated names
// and with data replaced by 0; what is refused is not JSON, repeats a name, is too deep
// or has a number that is too large.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{
		`{"type":"a","data":{"b":[1.10,"}"]},"c":1}`, `{"data":"text"}`, `[{"data":1},{"data":[]}]`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"data":1e999}`, `{"a":-1e999}`,
		`{"data":{"data":{"data":1}}}`, `"\ud800"`, "\xff", ` [ 1 , 2 ] `, `{"data" : {"x":"\\\""} , "y":[]}`, strings.Repeat("[", 70), `{"":{"":{}}}`, `nul`, `{"\u0064ata":[1]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		envelope, err := checkJSON(bytes.Clone(body))
		var want any
		wrong := json.Unmarshal(body, &want)
		if err != nil {
			if wrong == nil && !strings.Contains(err.Error(), "twice") && !strings.Contains(err.Error(), "deep") && !strings.Contains(err.Error(), "UTF-8") {
				t.Errorf("%q is refused: %v", body, err)
			}
			return
		}
		var got any
		if err := json.Unmarshal(envelope, &got); err != nil {
			t.Fatalf("%q becomes %q: %v", body, envelope, err)
		}
		if wrong == nil && !reflect.DeepEqual(got, opened(want)) {
			t.Errorf("%q becomes %q", body, envelope)
		}
	})
}

// opened replaces values of data as the envelope does.
func opened(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if _, text := member.(string); name == opaque && !text {
				v[name] = 0.0
			} else {
				v[name] = opened(member)
			}
		}
	case []any:
		for i := range v {
			v[i] = opened(v[i])
		}
	}
	return value
}
