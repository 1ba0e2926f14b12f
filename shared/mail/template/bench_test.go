package template_test

import (
	"strings"
	"testing"

	"portico/shared/mail/template"
)

// What the dearest override that is allowed costs to render.
func BenchmarkDearestOverride(b *testing.B) {
	for name, text := range map[string]string{
		"numbers":    strings.Repeat(`{{n "dead_deliveries.title" .Data.Count .Data}} `, 370),
		"times":      strings.Repeat(`{{at .Data.Since}} `, 370),
		"values":     strings.Repeat(`{{.Data.LastError}} `, 950),
		"conditions": strings.Repeat(`{{if and (eq .Data.LastError .Data.URL) .Data.URL .Data.Endpoint}}x{{end}}`, 900),
		"elements":   strings.Repeat(`<p class="text">x</p>`, 600),
	} {
		s := good
		s.HTML = text
		o, err := repository(b).Override(template.DeadDeliveries.Template, "de", "1", s)
		if err != nil {
			b.Logf("%s: %s", name, why(err))
			continue
		}
		data := template.DeadDeliveries.Samples[1].Data.(template.DeadDeliveriesData)
		data.LastError, data.Organization = strings.Repeat("<", 60), "Acme"
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := o.Render(data, frames[0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
