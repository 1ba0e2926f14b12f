package template_test

import (
	"fmt"

	"portico/shared/mail/template"
)

func ExampleSet_Render() {
	set, err := template.Repository()
	if err != nil {
		fmt.Println(err)
		return
	}
	content := template.MemberAdded.With(template.MemberAddedData{Organization: "Acme", Role: "Developer"})
	mail, err := set.Render(content, "de-AT", template.Frame{Brand: template.Brand{Name: "Acme"}, Organization: "Acme"})
	fmt.Println(mail.Subject, mail.Locale, err)
	// Output: Sie sind jetzt Mitglied von Acme de <nil>
}
