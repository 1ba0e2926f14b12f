package transport_test

import (
	"fmt"
	"strings"
	"time"

	"portico/shared/mail/transport"
)

func ExampleMessage_MIME() {
	raw, err := transport.Message{
		ID: "mail_1", At: time.Date(2026, 3, 5, 14, 3, 0, 0, time.UTC),
		From: transport.Address{Name: "Acme", Address: "notices@mail.example.com"}, To: transport.Address{Address: "info@例え.jp"},
		Subject: "Hello", HTML: "<p>Hello</p>", Text: "Hello",
	}.MIME()
	headers, _, _ := strings.Cut(string(raw), "Auto-Submitted")
	fmt.Print(strings.ReplaceAll(headers, "\r\n", "\n"), err)
	// Output:
	// From: "Acme" <notices@mail.example.com>
	// To: <info@xn--r8jz45g.jp>
	// <nil>
}
