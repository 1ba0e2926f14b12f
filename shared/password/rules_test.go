package password_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portico/shared/egress"
	"portico/shared/observe"
	"portico/shared/password"
)

// P2, P3: the length counts in code points of normal form C, and what many people or
// everybody near would guess is refused. There are no rules about kinds of characters.
func TestRules(t *testing.T) {
	t.Parallel()
	rules := password.Rules{Words: []string{"Portico"}}
	about := []string{"ada.lovelace@example.com", "Ada Lovelace", "Analytical Engines"}
	for _, tt := range []struct {
		text string
		want error
	}{
		{"", password.TooShort},
		{"seven 7", password.TooShort},
		{"u\u0308o\u0308a\u0308u\u0308", password.TooShort}, // 8 code points become 4
		{"ü😀ßøåñç4", nil},
		{"vanish quietly", nil},
		{strings.Repeat("é", 64), nil},
		{strings.Repeat("日", 256), nil},
		{strings.Repeat("e\u0301", 256), nil},
		{strings.Repeat("日", 257), password.TooLong},
		{strings.Repeat("a", 1<<20), password.TooLong},
		{"caf\xe9caf\xe9", password.NotText},
		{"password", password.Common},
		{"PassWord", password.Common},
		{"123456789", password.Common},
		{"iloveyou", password.Common},
		{"christopher", password.Common},
		{"Ada Lovelace!!", password.OfContext},
		{"Lovelace1815", password.OfContext},
		{"ada.lovelace@example.com", password.OfContext},
		{"portico2026!", password.OfContext},
		{"Analytical-Engines", password.OfContext},
		{"lovelace counts the wheels", nil},
	} {
		if err := rules.Check(t.Context(), tt.text, about...); !errors.Is(err, tt.want) {
			t.Errorf("%.40q: %v, want %v", tt.text, err, tt.want)
		}
	}
}

// P3: the 3,000 commonest passwords are refused, as far as they are long enough.
// These are the first ones of that list.
func TestCommon(t *testing.T) {
	t.Parallel()
	for _, text := range strings.Fields("password 12345678 baseball football superman trustno1 sunshine 123456789 starwars computer corvette princess iloveyou maverick samantha steelers whatever " +
		"internet mercedes bigdaddy midnight 11111111 jennifer michelle elizabeth jonathan victoria qwertyui asdfasdf") {
		if err := (password.Rules{}).Check(t.Context(), text); !errors.Is(err, password.Common) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Every refusal says in a sentence of its own what to do.
func TestRefusalsTellASentence(t *testing.T) {
	t.Parallel()
	told := map[string]bool{}
	for r := password.TooShort; r <= password.Breached; r++ {
		if text := r.Error(); told[text] || !strings.HasSuffix(text, ".") || text == password.Refusal(0).Error() {
			t.Errorf("%d: %q", r, text)
		}
		told[r.Error()] = true
	}
}

// A stolen password is refused after a question that tells 5 characters of its SHA-1.
// If the service is away, answers oddly or is not allowed to be reached, the password
// may be chosen, and this is counted.
func TestBreaches(t *testing.T) {
	t.Parallel()
	const stolen, fresh = "vanish quietly", "vanish loudly"
	name := func(text string) string {
		sum := sha1.Sum([]byte(text))
		return strings.ToUpper(hex.EncodeToString(sum[:]))
	}
	for _, tt := range []struct {
		name, text, reply, allow string
		status                   int
		want                     error
		away                     bool
	}{
		{"stolen", stolen, name("x")[5:] + ":3\r\n" + name(stolen)[5:] + ":42\r\n", "127.0.0.0/8", 200, password.Breached, false},
		{"in small letters", stolen, strings.ToLower(name(stolen)[5:]) + ":1", "127.0.0.0/8", 200, password.Breached, false},
		{"padding", stolen, name(stolen)[5:] + ":0\r\n", "127.0.0.0/8", 200, nil, false},
		{"another one", fresh, name(stolen)[5:] + ":42\r\n", "127.0.0.0/8", 200, nil, false},
		{"away", stolen, "", "127.0.0.0/8", 503, nil, true},
		{"elsewhere", stolen, "", "127.0.0.0/8", 302, nil, true},
		{"one endless line", stolen, strings.Repeat("A", 1<<17), "127.0.0.0/8", 200, nil, true},
		{"not allowed", stolen, name(stolen)[5:] + ":42\r\n", "", 200, nil, true},
	} {
		var asked []string
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.URL.Path+" "+r.Header.Get("Add-Padding"))
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(tt.status)
			_, _ = fmt.Fprint(w, tt.reply)
		}))
		policy, err := egress.ParsePolicy(tt.allow)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		rules := password.Rules{Breaches: password.NewBreaches(service.URL+"/range/", policy, observe.NewLog(&log, "test"))}
		if err := rules.Check(t.Context(), tt.text); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		service.Close()
		if want := "/range/" + name(tt.text)[:5] + " true"; tt.allow != "" && (len(asked) != 1 || asked[0] != want) {
			t.Errorf("%s: asked %q, want %q", tt.name, asked, want)
		}
		if counted := strings.Contains(log.String(), `"BreachesAway":1`); counted != tt.away || strings.Contains(log.String(), tt.text) || strings.Contains(log.String(), name(tt.text)[5:]) {
			t.Errorf("%s: the log is %s", tt.name, log.String())
		}
	}
}

// A password that is refused anyway is not asked for.
func TestBreachesAreAskedLast(t *testing.T) {
	t.Parallel()
	asked := 0
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer service.Close()
	policy, err := egress.ParsePolicy("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	rules := password.Rules{Breaches: password.NewBreaches(service.URL+"/", policy, observe.NewLog(&bytes.Buffer{}, "test"))}
	for _, text := range []string{"short", "password", strings.Repeat("a", 257)} {
		if err := rules.Check(t.Context(), text); err == nil {
			t.Errorf("%.20s is accepted", text)
		}
	}
	if asked != 0 {
		t.Errorf("the service was asked %d times", asked)
	}
}
