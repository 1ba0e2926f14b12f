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
	layout, err := inline.Layout(source)
	if err != nil {
		return err
	}
	pages := map[string]string{"layout.html": layout}
	for _, t := range template.All() {
		if pages[t.Name+".html"], err = inline.Page(source, t.Name); err != nil {
			return err
		}
	}
	for name, page := range pages {
		if err := os.WriteFile(filepath.Join(to, name), []byte(page), 0o644); err != nil {
			return err
		}
	}
	files, err := os.ReadDir(to)
	for _, file := range files {
		if pages[file.Name()] == "" {
			err = errors.Join(err, os.Remove(filepath.Join(to, file.Name())))
		}
	}
	return err
}
