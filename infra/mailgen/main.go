// Mailgen writes the HTML pages of the mail templates, with the style sheet inlined,
// to shared/mail/template/inlined:
//
//	go run ./infra/mailgen
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"portico/infra/inline"
	"portico/shared/mail/template"
)

const folder = "shared/mail/template"

func main() {
	if err := generate(os.DirFS(folder), filepath.Join(folder, "inlined")); err != nil {
		fmt.Fprintf(os.Stderr, "cannot generate the mail templates: %v\n", err)
		os.Exit(1)
	}
}

// generate makes the folder hold the pages of all templates and nothing else.
func generate(source fs.FS, to string) error {
	wanted := map[string]bool{}
	for _, t := range template.All() {
		page, err := inline.Page(source, t.Name)
		if err != nil {
			return err
		}
		wanted[t.Name+".html"] = true
		if err := os.WriteFile(filepath.Join(to, t.Name+".html"), []byte(page), 0o644); err != nil {
			return err
		}
	}
	files, err := os.ReadDir(to)
	for _, file := range files {
		if !wanted[file.Name()] {
			err = errors.Join(err, os.Remove(filepath.Join(to, file.Name())))
		}
	}
	return err
}
