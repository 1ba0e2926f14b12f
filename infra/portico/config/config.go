// Package config finds the settings of the command: a flag is stronger than the
// environment, and the environment is stronger than the file.
package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// DefaultURL is where make up serves the API.
const DefaultURL = "http://127.0.0.1:8080"

// Names of the settings. A setting has a flag, the environment variable
// PORTICO_<NAME>, and the member <name> of the file.
const (
	URL          = "url"
	Key          = "key"
	Organization = "organization"
)

// Names lists the settings in the order in which they are shown.
var Names = []string{URL, Key, Organization}

// Setting is a value and where it comes from.
type Setting struct {
	Value  string
	Source string
}

// Settings are all settings of one run of the command.
type Settings struct {
	File     string // where the file is, or would be
	Warnings []string
	values   map[string]Setting
}

// Get returns a setting.
func (s *Settings) Get(name string) Setting { return s.values[name] }

// Variable returns the environment variable of a setting.
func Variable(name string) string { return "PORTICO_" + strings.ToUpper(name) }

// Flag returns the flag of a setting. That of the address is not --url, because
// endpoints have a URL too.
func Flag(name string) string {
	if name == URL {
		return "api"
	}
	return name
}

// Load finds the settings. flags has only what was given on the command line. The
// file need not exist, unless mustExist.
func Load(flags map[string]string, getenv func(string) string, file string, mustExist bool) (*Settings, error) {
	s := &Settings{File: file, values: map[string]Setting{URL: {DefaultURL, "default"}}}
	fromFile, err := s.read(mustExist)
	if err != nil {
		return nil, err
	}
	for _, name := range Names {
		if v := fromFile[name]; v != "" {
			s.values[name] = Setting{v, "file " + file}
		}
		if v := getenv(Variable(name)); v != "" {
			s.values[name] = Setting{v, "environment " + Variable(name)}
		}
		if v, ok := flags[name]; ok {
			s.values[name] = Setting{v, "flag --" + Flag(name)}
		}
	}
	return s, s.checkURL()
}

// read returns the members of the file.
func (s *Settings) read(mustExist bool) (map[string]string, error) {
	text, err := os.ReadFile(s.File)
	switch {
	case s.File == "", errors.Is(err, fs.ErrNotExist) && !mustExist:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("the configuration file cannot be read: %w", err)
	}
	members := map[string]string{}
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf(`%s is not a configuration: it must be a JSON object of texts, such as {"url": "https://api.example.com", "key": "ptc_…"}: %w`, s.File, err)
	}
	for name := range members {
		if !slices.Contains(Names, name) {
			return nil, fmt.Errorf("%s has the unknown setting %q: the settings are %s", s.File, name, strings.Join(Names, ", "))
		}
	}
	if members[Key] != "" {
		s.warnOfReaders()
	}
	return members, nil
}

// warnOfReaders warns if others on this machine can read the file with the key.
func (s *Settings) warnOfReaders() {
	info, err := os.Stat(s.File)
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return
	}
	s.Warnings = append(s.Warnings, fmt.Sprintf("others can read the key in %s (mode %04o): run chmod 600 %s", s.File, info.Mode().Perm(), s.File))
}

// checkURL refuses what is no address, and warns if the key would travel in clear.
func (s *Settings) checkURL() error {
	set := s.values[URL]
	u, err := url.Parse(set.Value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("the address of the API (%s) is %q: give one such as https://api.example.com", set.Source, set.Value)
	}
	set.Value = strings.TrimRight(set.Value, "/")
	s.values[URL] = set
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		s.Warnings = append(s.Warnings, "the key travels unencrypted to "+set.Value+": use https")
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Masked returns a key so that a person recognizes it and nobody can use it.
func Masked(key string) string {
	const head, tail = 4, 4
	if len(key) < 4*(head+tail) {
		return strings.Repeat("*", min(len(key), 8))
	}
	return key[:head] + "…" + key[len(key)-tail:]
}

// Save writes the settings that differ from their defaults into the file, which only
// its owner can read.
func (s *Settings) Save() error {
	members := map[string]string{}
	for _, name := range Names {
		if set := s.values[name]; set.Value != "" && set.Source != "default" {
			members[name] = set.Value
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(members); err != nil {
		return err
	}
	return WritePrivate(s.File, text.Bytes())
}

// WritePrivate replaces a file with one that only its owner can read.
func WritePrivate(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	// CreateTemp makes a file of mode 0600.
	f, err := os.CreateTemp(filepath.Dir(name), ".portico-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
