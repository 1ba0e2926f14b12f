package main

import (
	"bytes"
	"errors"
	"fmt"

	"portico/docs"
	"portico/shared/api/edge"
)

// codesHeading begins the part of docs/errors.md that is generated, up to its end.
const codesHeading = "## Codes\n\n"

// renderErrors answers docs/errors.md with the table of what the code can answer.
func renderErrors() ([]byte, error) {
	text, err := docs.Guides.ReadFile("errors.md")
	if err != nil {
		return nil, err
	}
	written, _, found := bytes.Cut(text, []byte(codesHeading))
	if !found {
		return nil, errors.New("docs/errors.md has no heading «Codes»")
	}
	out := bytes.NewBuffer(bytes.Clone(written))
	out.WriteString(codesHeading)
	line(out, []string{"code", "status", "means"})
	line(out, []string{"---", "---", "---"})
	for _, c := range edge.Codes() {
		line(out, []string{"`" + c.Code + "`", fmt.Sprint(c.Status), c.Meaning})
	}
	return out.Bytes(), nil
}
