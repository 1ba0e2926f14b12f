package template

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// fallback is the language of messages that another one lacks.
const fallback = "en"

// messages are the texts of all languages.
type messages struct {
	bundle  *i18n.Bundle
	locales []string // fallback first
	matcher language.Matcher
}

func loadMessages(source fs.FS) (*messages, error) {
	files, err := fs.Glob(source, "locale/*.json")
	if err != nil {
		return nil, err
	}
	m := &messages{bundle: i18n.NewBundle(language.MustParse(fallback)), locales: []string{fallback}}
	for _, file := range files {
		if _, err := m.bundle.LoadMessageFileFS(source, file); err != nil {
			return nil, fmt.Errorf("template: %w", err)
		}
		if name := strings.TrimSuffix(path.Base(file), ".json"); name != fallback {
			m.locales = append(m.locales, name)
		}
	}
	var tags []language.Tag
	for _, name := range m.locales {
		tag, err := language.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("template: locale/%s.json: %w", name, err)
		}
		tags = append(tags, tag)
	}
	m.matcher = language.NewMatcher(tags)
	return m, nil
}

// nearest returns the locale that has messages and is nearest to the wanted one.
func (m *messages) nearest(wanted string) string {
	_, i := language.MatchStrings(m.matcher, wanted)
	return m.locales[i]
}

// functions are what templates may call.
//
//	{{t "key" data}}       the message
//	{{n "key" count data}} the message in the form for a number
//	{{at time}}            a time, in UTC
func (m *messages) functions(locale string) map[string]any {
	localizer := i18n.NewLocalizer(m.bundle, locale, fallback)
	say := func(c *i18n.LocalizeConfig) (string, error) {
		text, err := localizer.Localize(c)
		var missing *i18n.MessageNotFoundErr
		if errors.As(err, &missing) && text != "" {
			err = nil // the text is that of the fallback
		}
		return text, err
	}
	return map[string]any{
		"t": func(key string, data ...any) (string, error) {
			return say(&i18n.LocalizeConfig{MessageID: key, TemplateData: first(data)})
		},
		"n": func(key string, count int, data ...any) (string, error) {
			return say(&i18n.LocalizeConfig{MessageID: key, PluralCount: count, TemplateData: first(data)})
		},
		"at": func(at time.Time) (string, error) {
			at = at.UTC()
			month, err := say(&i18n.LocalizeConfig{MessageID: "month." + strconv.Itoa(int(at.Month()))})
			if err != nil {
				return "", err
			}
			return say(&i18n.LocalizeConfig{MessageID: "format.at", TemplateData: map[string]any{
				"Day": at.Day(), "Month": month, "Year": at.Year(), "Clock": at.Format("15:04"),
			}})
		},
	}
}

func first(data []any) any {
	if len(data) == 0 {
		return nil
	}
	return data[0]
}
