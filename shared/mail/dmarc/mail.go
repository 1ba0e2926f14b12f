package dmarc

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"

	"portico/shared/mail/feedback"
)

// What a mail may have. Anybody can write to the address to which reports go.
const (
	MaxMessage = 2 << 20  // bytes of a mail
	maxXML     = 10 << 20 // bytes of a report when it is unpacked
	maxParts   = 20
)

// ErrNoReport is returned for a mail that has no aggregate report.
var ErrNoReport = errors.New("it has no DMARC aggregate report attached (RFC 7489), as XML, zip or gzip")

// ReadMessage reads the aggregate report that is attached to a mail, or is its whole
// body. A mail has one report; what comes after the first one is not read.
func ReadMessage(message []byte) (Report, error) {
	if len(message) > MaxMessage {
		return Report{}, fmt.Errorf("it has %d bytes, more than %d", len(message), MaxMessage)
	}
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return Report{}, fmt.Errorf("it is not a mail: %w", err)
	}
	kind, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return Report{}, ErrNoReport
	}
	if !strings.HasPrefix(kind, "multipart/") {
		return readPart(textproto.MIMEHeader(m.Header), m.Body)
	}
	parts := multipart.NewReader(m.Body, parameters["boundary"])
	for range maxParts {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return Report{}, ErrNoReport
		}
		if err != nil {
			return Report{}, unreadable("parts", err)
		}
		if r, err := readPart(part.Header, part); !errors.Is(err, ErrNoReport) {
			return r, err
		}
	}
	return Report{}, ErrNoReport
}

// ReadAny reads a mail with a report, or the report itself as XML, zip or gzip. No mail
// begins like these.
func ReadAny(content []byte) (Report, error) {
	if len(content) > MaxMessage {
		return Report{}, fmt.Errorf("it has %d bytes, more than %d", len(content), MaxMessage)
	}
	start := bytes.TrimLeft(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")), " \t\r\n")
	if bytes.HasPrefix(start, []byte("<")) || bytes.HasPrefix(content, []byte("PK")) || bytes.HasPrefix(content, []byte("\x1f\x8b")) {
		return Read(content)
	}
	return ReadMessage(content)
}

// readPart reads a part of a mail, or returns ErrNoReport if its type is not one that
// reports have.
func readPart(header textproto.MIMEHeader, body io.Reader) (Report, error) {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return Report{}, ErrNoReport
	}
	switch kind {
	case "application/zip", "application/x-zip-compressed", "application/gzip", "application/x-gzip", "text/xml", "application/xml", "application/octet-stream":
	default:
		return Report{}, ErrNoReport
	}
	content, err := io.ReadAll(feedback.Decoded(header, body)) // no longer than the mail
	if err != nil {
		return Report{}, unreadable("attachment", err)
	}
	return Read(content)
}

// Read reads a report as it was attached: XML, or XML in a zip or gzip archive. Its
// first bytes say which, because some reporters name another type.
func Read(content []byte) (Report, error) {
	switch {
	case bytes.HasPrefix(content, []byte("PK\x03\x04")):
		return readZip(content)
	case bytes.HasPrefix(content, []byte("\x1f\x8b")):
		unpacked, err := gzip.NewReader(bytes.NewReader(content))
		if err != nil {
			return Report{}, unreadable("gzip archive", err)
		}
		return readXML(unpacked)
	}
	return readXML(bytes.NewReader(content))
}

func readZip(content []byte) (Report, error) {
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return Report{}, unreadable("zip archive", err)
	}
	if len(archive.File) != 1 {
		return Report{}, fmt.Errorf("its zip archive has %d files; a report is one", len(archive.File))
	}
	file, err := archive.File[0].Open()
	if err != nil {
		return Report{}, unreadable("zip archive", err)
	}
	defer file.Close() //nolint:errcheck // it is only read
	return readXML(file)
}

// unreadable says that a part of what was handed in cannot be read. A text that ends
// too early is told in words, not as Go tells it.
func unreadable(what string, err error) error {
	if errors.Is(err, io.EOF) || strings.Contains(err.Error(), "EOF") {
		return fmt.Errorf("its %s cannot be read: it ends too early", what)
	}
	return fmt.Errorf("its %s cannot be read: %w", what, err)
}
