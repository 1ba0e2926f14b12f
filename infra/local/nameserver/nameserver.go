// Package nameserver is a DNS server for tests and for the local stack.
package nameserver

import (
	"net"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// Server answers questions for TXT, MX and CNAME records, on loopback. A name that
// it does not know does not exist.
type Server struct {
	conn net.PacketConn

	mu      sync.Mutex
	records map[string][][]string // the texts of each record, by name
	aliases map[string]string
	mail    map[string][]string // the hosts of MX records, by name
	code    dnsmessage.RCode    // of every answer; success: the name decides
	silent  bool
}

// Start starts a server, which runs until Close.
func Start() (*Server, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{conn: conn, records: map[string][][]string{}, aliases: map[string]string{}, mail: map[string][]string{}}
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := s.reply(buf[:n]); reply != nil {
				_, _ = conn.WriteTo(reply, from) // who asks, asks again
			}
		}
	}()
	return s, nil
}

// Close ends the server.
func (s *Server) Close() { _ = s.conn.Close() }

// Address is where the server listens, by UDP.
func (s *Server) Address() string { return s.conn.LocalAddr().String() }

// IsName reports whether DNS can have records of a name.
func IsName(name string) bool {
	_, err := dnsmessage.NewName(name + ".")
	return err == nil && name != ""
}

// Set gives a name these records, each with one text. Without records the name does
// not exist.
func (s *Server) Set(name string, texts ...string) {
	var records [][]string
	for _, text := range texts {
		records = append(records, []string{text})
	}
	s.SetRecords(name, records...)
}

// Texts returns the texts of all names.
func (s *Server) Texts() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]string{}
	for name, records := range s.records {
		for _, texts := range records {
			all[strings.TrimSuffix(name, ".")] = strings.Join(texts, "")
		}
	}
	return all
}

// SetRecords gives a name records with several texts each.
func (s *Server) SetRecords(name string, records ...[]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[name+"."] = records
}

// Alias makes a name an alias of another.
func (s *Server) Alias(name, of string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aliases[name+"."] = of + "."
}

// SetMX gives a name these MX records, all with preference 10.
func (s *Server) SetMX(name string, hosts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail[name+"."] = hosts
}

// Fail makes the server answer with a code, or not at all.
func (s *Server) Fail(code dnsmessage.RCode, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code, s.silent = code, silent
}

// reply returns nil if the server does not answer.
func (s *Server) reply(question []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.Response, m.RecursionAvailable, m.Additionals, m.RCode = true, true, nil, s.code
	name, asked := m.Questions[0].Name, m.Questions[0].Type
	if alias := s.aliases[name.String()]; alias != "" {
		of := dnsmessage.MustNewName(alias)
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: header(name), Body: &dnsmessage.CNAMEResource{CNAME: of}})
		name = of
	}
	if asked == dnsmessage.TypeTXT {
		for _, texts := range s.records[name.String()] {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header(name), Body: &dnsmessage.TXTResource{TXT: texts}})
		}
	}
	if asked == dnsmessage.TypeMX {
		for _, host := range s.mail[name.String()] {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header(name), Body: &dnsmessage.MXResource{Pref: 10, MX: dnsmessage.MustNewName(host + ".")}})
		}
	}
	known := len(s.records[name.String()])+len(s.mail[name.String()]) > 0 // a known name without such a record exists
	if len(m.Answers) == 0 && !known && s.code == dnsmessage.RCodeSuccess {
		m.RCode = dnsmessage.RCodeNameError
	}
	if s.code != dnsmessage.RCodeSuccess {
		m.Answers = nil
	}
	reply, err := m.Pack()
	if err != nil || s.silent {
		return nil
	}
	return reply
}

func header(name dnsmessage.Name) dnsmessage.ResourceHeader {
	return dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 60}
}
