package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes a configuration file.
func write(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return name
}

func environment(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

// A flag is stronger than the environment, and that is stronger than the file, for
// each setting by itself.
func TestPrecedence(t *testing.T) {
	file := write(t, `{"url":"https://file.example","key":"file","organization":"file"}`, 0o600)
	for _, c := range []struct {
		name             string
		flags, variables map[string]string
		file             string
		want             map[string]Setting
	}{
		{"nothing", nil, nil, "", map[string]Setting{URL: {DefaultURL, "default"}, Key: {}, Organization: {}}},
		{"the file", nil, nil, file, map[string]Setting{
			URL: {"https://file.example", "file " + file}, Key: {"file", "file " + file}, Organization: {"file", "file " + file},
		}},
		{"the environment over the file", nil, map[string]string{"PORTICO_KEY": "env"}, file, map[string]Setting{
			URL: {"https://file.example", "file " + file}, Key: {"env", "environment PORTICO_KEY"},
		}},
		{"an empty variable is none", nil, map[string]string{"PORTICO_KEY": ""}, file, map[string]Setting{Key: {"file", "file " + file}}},
		{"a flag over all", map[string]string{URL: "https://flag.example/", Key: "flag"}, map[string]string{"PORTICO_KEY": "env", "PORTICO_URL": "https://env.example"}, file, map[string]Setting{
			URL: {"https://flag.example", "flag --api"}, Key: {"flag", "flag --key"}, Organization: {"file", "file " + file},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Load(c.flags, environment(c.variables), c.file, false)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range c.want {
				if got := s.Get(name); got != want {
					t.Errorf("%s: %v, want %v", name, got, want)
				}
			}
		})
	}
}

// What cannot be a configuration is refused with the place to look at.
func TestBadSettings(t *testing.T) {
	for _, c := range []struct{ name, file, url, part string }{
		{"no JSON", `url = "x"`, "", "not a configuration"},
		{"an unknown setting", `{"ulr":"https://x.example"}`, "", `unknown setting "ulr"`},
		{"no address", `{}`, "api.example.com", "environment PORTICO_URL"},
		{"another protocol", `{}`, "ftp://api.example.com", "environment PORTICO_URL"},
		{"a password in the address", `{}`, "https://a:b@api.example.com", "environment PORTICO_URL"},
		{"a query", `{}`, "https://api.example.com?x=1", "environment PORTICO_URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(nil, environment(map[string]string{"PORTICO_URL": c.url}), write(t, c.file, 0o600), false)
			if err == nil || !strings.Contains(err.Error(), c.part) {
				t.Errorf("%v, want %q", err, c.part)
			}
		})
	}
	if _, err := Load(nil, environment(nil), filepath.Join(t.TempDir(), "missing"), true); err == nil {
		t.Error("a missing file that the user has named is accepted")
	}
}

// A key that others can read, or that travels in clear, causes a warning.
func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		name, text, url string
		mode            os.FileMode
		part            string // of the only warning; empty: there is none
	}{
		{"private", `{"key":"k"}`, "", 0o600, ""},
		{"readable by others", `{"key":"k"}`, "", 0o644, "chmod 600"},
		{"readable, but without a key", `{"url":"https://x.example"}`, "", 0o644, ""},
		{"in clear", `{}`, "http://api.example.com", 0o600, "unencrypted"},
		{"in clear on this machine", `{}`, "http://[::1]:8080", 0o600, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Load(nil, environment(map[string]string{"PORTICO_URL": c.url}), write(t, c.text, c.mode), false)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(s.Warnings, "\n"); (got == "") != (c.part == "") || !strings.Contains(got, c.part) {
				t.Errorf("warnings %q, want %q", got, c.part)
			}
		})
	}
}

// Saved settings are read again, and only the owner can read them.
func TestSave(t *testing.T) {
	file := filepath.Join(t.TempDir(), "portico", "config.json")
	s, err := Load(map[string]string{Key: "ptc_<&>"}, environment(nil), file, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, err := Load(nil, environment(nil), file, true)
	if err != nil || again.Get(Key).Value != "ptc_<&>" || again.Get(URL).Source != "default" {
		t.Errorf("%+v, %v", again, err)
	}
}

// A masked key cannot be used.
func TestMasked(t *testing.T) {
	for key, want := range map[string]string{"": "", "short": "*****", "0123456789012345": "********", "ptc_0123456789012345678901234567XYZ0": "ptc_…XYZ0"} {
		if got := Masked(key); got != want {
			t.Errorf("Masked(%q) = %q, want %q", key, got, want)
		}
	}
}
