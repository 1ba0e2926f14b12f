package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"

	"github.com/beevik/etree"
	xrv "github.com/mattermost/xml-roundtrip-validator"
)

// Bounds of a document. They keep the time that a hostile one takes below a second.
const (
	maxBytes    = 256 << 10
	maxElements = 10_000
	maxDepth    = 30
	maxPrefixes = 50 // distinct prefixes of namespaces
)

// read reads an XML document. It refuses what SAML does not need and what parsers are
// attacked with: document types (so there are no entities), processing instructions,
// repeated attributes, other encodings than UTF-8.
func read(text []byte) (*etree.Element, error) {
	if len(text) > maxBytes {
		return nil, refused(TooLarge, "the document has more than %d kB", maxBytes>>10)
	}
	if err := scan(text); err != nil {
		return nil, err
	}
	// Go's decoder reads some names of namespaces differently after writing them.
	if err := xrv.Validate(bytes.NewReader(text)); err != nil {
		return nil, refused(Unreadable, "the XML is not well formed: %s", err.Error())
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(text); err != nil || doc.Root() == nil {
		return nil, refused(Unreadable, "the XML is not well formed")
	}
	return doc.Root(), nil
}

// scanner counts what a document has.
type scanner struct {
	depth, roots, elements int
	prefixes               map[string]bool
}

// scan refuses documents that read does not allow.
func scan(text []byte) error {
	s := scanner{prefixes: map[string]bool{}}
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.RawToken()
		switch {
		case errors.Is(err, io.EOF) && s.roots == 1 && s.depth == 0:
			return nil
		case errors.Is(err, io.EOF):
			return refused(Unreadable, "the XML does not have exactly one root")
		case err != nil:
			return refused(Unreadable, "the XML is not well formed: %s", err.Error())
		}
		if err := s.see(token, d.InputOffset()); err != nil {
			return err
		}
	}
}

func (s *scanner) see(token xml.Token, offset int64) error {
	switch t := token.(type) {
	case xml.Directive:
		return refused(DTD, "the XML has a document type or another declaration")
	case xml.ProcInst:
		if t.Target != "xml" || s.elements > 0 {
			return refused(Unreadable, "the XML has a processing instruction")
		}
	case xml.StartElement:
		if s.depth == 0 {
			s.roots++
		}
		s.depth++
		s.elements++
		return s.start(t)
	case xml.EndElement:
		s.depth--
	case xml.CharData:
		if s.depth == 0 && len(bytes.TrimSpace(t)) > 0 && string(t) != "\ufeff" {
			return refused(Unreadable, "the XML has text outside of its root, at byte %d", offset)
		}
	}
	return nil
}

func (s *scanner) start(element xml.StartElement) error {
	attributes := map[xml.Name]bool{}
	for _, a := range element.Attr {
		if attributes[a.Name] {
			return refused(Unreadable, "the attribute %q of %q stands there twice", a.Name.Local, element.Name.Local)
		}
		attributes[a.Name] = true
		if a.Name.Space == "xmlns" {
			s.prefixes[a.Name.Local] = true
		}
	}
	if s.elements > maxElements || s.depth > maxDepth || len(s.prefixes) > maxPrefixes {
		return refused(TooLarge, "the document has more than %d elements, %d levels or %d prefixes of namespaces", maxElements, maxDepth, maxPrefixes)
	}
	return nil
}

// decode reads an element into a struct.
func decode(el *etree.Element, into any) error {
	doc := etree.NewDocument()
	doc.SetRoot(el.Copy())
	text, err := doc.WriteToBytes()
	if err == nil {
		err = xml.Unmarshal(text, into)
	}
	if err != nil {
		return refused(Unreadable, "%s: %s", el.Tag, err.Error())
	}
	return nil
}

// is reports whether an element has this name.
func is(el *etree.Element, namespace, tag string) bool {
	return el.Tag == tag && el.NamespaceURI() == namespace
}
