package aws

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"
)

type content struct{ Data string }

type sendEmailInput struct {
	FromEmailAddress     string
	ReplyToAddresses     []string
	ConfigurationSetName string
	EmailTags            []struct{ Name, Value string }
	Destination          struct{ ToAddresses, CcAddresses, BccAddresses []string }
	Content              struct {
		Simple *struct {
			Subject content
			Body    struct{ Text, Html content }
		}
		Raw      *struct{ Data []byte }
		Template *struct {
			TemplateName    string
			TemplateContent struct{ Subject, Text, Html string }
			TemplateData    string
		}
	}
}

// maxMailBytes is the limit of SES v2.
const maxMailBytes = 40 << 20

func (s *Server) serveSendEmail(w http.ResponseWriter, r *http.Request) {
	var in sendEmailInput
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxMailBytes)).Decode(&in); err != nil {
		writeError(w, invalid("BadRequestException", "The request is not JSON: %v", err))
		return
	}
	m, err := in.mail()
	if err != nil {
		writeError(w, invalid("BadRequestException", "%v", err))
		return
	}
	if err := s.accept(&m); err != nil {
		writeError(w, err)
		return
	}
	m = s.mailbox.add(m)
	s.carry(m)
	w.Header().Set("Content-Type", "application/json")
	writeJSON(w, http.StatusOK, map[string]string{"MessageId": m.ID})
}

func (in *sendEmailInput) mail() (Mail, error) {
	m := Mail{
		From: in.FromEmailAddress, ReplyTo: in.ReplyToAddresses,
		To: in.Destination.ToAddresses, Cc: in.Destination.CcAddresses, Bcc: in.Destination.BccAddresses,
		ConfigurationSet: in.ConfigurationSetName,
	}
	for _, tag := range in.EmailTags {
		m.Tags = append(m.Tags, tag.Name+"="+tag.Value)
	}
	switch c := in.Content; {
	case c.Simple != nil:
		m.Subject, m.Text, m.HTML = c.Simple.Subject.Data, c.Simple.Body.Text.Data, c.Simple.Body.Html.Data
	case c.Template != nil:
		t := c.Template
		var data map[string]any
		if err := json.Unmarshal([]byte(cmp.Or(t.TemplateData, "{}")), &data); err != nil {
			return m, fmt.Errorf("TemplateData is not a JSON object: %w", err)
		}
		m.Template, m.Data = t.TemplateName, t.TemplateData
		m.Subject = render(t.TemplateContent.Subject, data)
		m.Text, m.HTML = render(t.TemplateContent.Text, data), render(t.TemplateContent.Html, data)
	case c.Raw != nil:
		m.Raw = c.Raw.Data
		if err := m.ReadRaw(); err != nil {
			return m, fmt.Errorf("the raw message cannot be read: %w", err)
		}
	default:
		return m, fmt.Errorf("the content must be Simple, Raw or Template")
	}
	if m.From == "" || len(m.To)+len(m.Cc)+len(m.Bcc) == 0 {
		return m, fmt.Errorf("a mail needs a sender and a recipient")
	}
	return m, nil
}

var variable = regexp.MustCompile(`\{\{\{?\s*(\w+)\s*\}?\}\}`)

// render replaces {{name}}; SES templates know more, which nothing here uses.
func render(template string, data map[string]any) string {
	return variable.ReplaceAllStringFunc(template, func(match string) string {
		return fmt.Sprint(data[variable.FindStringSubmatch(match)[1]])
	})
}

// ReadRaw fills the fields of a mail from its raw message.
func (m *Mail) ReadRaw() error {
	message, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return err
	}
	header := textproto.MIMEHeader(message.Header)
	var words mime.WordDecoder
	if m.Subject, err = words.DecodeHeader(header.Get("Subject")); err != nil {
		return err
	}
	m.From = cmp.Or(m.From, header.Get("From"))
	if len(m.To)+len(m.Cc)+len(m.Bcc) == 0 {
		m.To, m.Cc, m.Bcc = addresses(header, "To"), addresses(header, "Cc"), addresses(header, "Bcc")
	}
	if len(m.ReplyTo) == 0 {
		m.ReplyTo = addresses(header, "Reply-To")
	}
	return m.readPart(header, message.Body)
}

func addresses(header textproto.MIMEHeader, name string) []string {
	list, err := mail.ParseAddressList(header.Get(name))
	if err != nil {
		return nil
	}
	var out []string
	for _, a := range list {
		out = append(out, a.Address)
	}
	return out
}

// readPart takes the first plain text and the first HTML it finds.
func (m *Mail) readPart(header textproto.MIMEHeader, body io.Reader) error {
	kind, parameters, err := mime.ParseMediaType(cmp.Or(header.Get("Content-Type"), "text/plain"))
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, parameters["boundary"])
		for {
			part, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				err = m.readPart(part.Header, part)
			}
			if err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(header.Get("Content-Transfer-Encoding")) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	data, err := io.ReadAll(body)
	switch {
	case strings.HasPrefix(header.Get("Content-Disposition"), "attachment"):
	case kind == "text/plain":
		m.Text = cmp.Or(m.Text, string(data))
	case kind == "text/html":
		m.HTML = cmp.Or(m.HTML, string(data))
	}
	return err
}
