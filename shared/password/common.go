package password

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"strings"
	"sync"
)

// commonText has common passwords of at least 8 characters, one per line, sorted, in
// small letters: those of a list of the 10,000 commonest, and the 10,000 commonest of
// each of English words, first names and surnames. docs/dependencies.md says from
// where.
//
//go:embed common.txt.gz
var commonText []byte

// commonSet is read with the first password that is chosen.
var commonSet = sync.OnceValue(func() map[string]bool {
	r, err := gzip.NewReader(bytes.NewReader(commonText))
	if err != nil {
		panic(err) // the file is part of the program
	}
	text, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	set := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		set[strings.TrimSuffix(line, "\n")] = true
	}
	return set
})

// isCommon reports whether many people have a password, in small or capital letters.
func isCommon(password string) bool { return commonSet()[strings.ToLower(password)] }
