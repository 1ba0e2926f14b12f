package streaming

import (
	"encoding/json"

	"portico/shared/jsontext"
)

// encode writes JSON on one line that looks like what it is in every viewer: names that
// customers choose may contain HTML, line ends of Unicode, and marks that change the
// direction of text. All of these are escaped; a program reads the same text.
func encode(v any) []byte {
	text, err := json.Marshal(v) // escapes HTML
	if err != nil {
		panic("streaming: " + err.Error()) // entries always marshal: they were JSON before
	}
	return jsontext.Escape(text)
}
