package unsubscribe

import (
	"strings"

	"portico/shared/mail/unsubscribe"
)

// words are the texts of the page in one language. {category} and {recipient} are
// replaced.
type words struct {
	Lang                      string
	AskTitle, AskText, Button string
	DoneTitle, DoneText       string
	InvalidTitle, InvalidText string
	AwayTitle, AwayText       string
	categories                map[string]string
	other                     string
}

var english = words{
	Lang:     "en",
	AskTitle: "Stop this mail?", AskText: "{recipient} will get no more mail about {category} from this organization.", Button: "Stop this mail",
	DoneTitle: "Done", DoneText: "{recipient} gets no more mail about {category} from this organization.",
	InvalidTitle: "This link does not work", InvalidText: "It is too old or not complete. Use the link in a newer mail.",
	AwayTitle: "Please try again", AwayText: "Your choice could not be saved at the moment.",
	categories: map[string]string{"webhooks": "webhooks", "api_keys": "API keys"}, other: "this subject",
}

var german = words{
	Lang:     "de",
	AskTitle: "Diese E-Mails abbestellen?", AskText: "{recipient} erhält dann keine E-Mails über {category} mehr von dieser Organisation.", Button: "Abbestellen",
	DoneTitle: "Abbestellt", DoneText: "{recipient} erhält keine E-Mails über {category} mehr von dieser Organisation.",
	InvalidTitle: "Dieser Link funktioniert nicht", InvalidText: "Er ist zu alt oder nicht vollständig. Benutzen Sie den Link in einer neueren E-Mail.",
	AwayTitle: "Bitte versuchen Sie es noch einmal", AwayText: "Ihre Wahl konnte gerade nicht gespeichert werden.",
	categories: map[string]string{"webhooks": "Webhooks", "api_keys": "API-Schlüssel"}, other: "dieses Thema",
}

// wordsFor returns the texts for a browser: German if that is its first language.
func wordsFor(acceptLanguage string) words {
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(acceptLanguage)), "de") {
		return german
	}
	return english
}

func (w words) fill(text string, c unsubscribe.Choice) string {
	category, ok := w.categories[c.Category]
	if !ok {
		category = w.other
	}
	return strings.NewReplacer("{recipient}", c.Recipient, "{category}", category).Replace(text)
}
