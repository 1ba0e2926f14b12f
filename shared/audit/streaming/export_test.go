package streaming

import "time"

// SetTimeout bounds the requests of a sender.
func SetTimeout(s *Sender, timeout time.Duration) { s.timeout = timeout }

// Encode is encode.
func Encode(v any) []byte { return encode(v) }
