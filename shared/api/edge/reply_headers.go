package api

import "net/http"

// guard sets what every reply says to browsers and caches, unless its operation
// says otherwise: nobody keeps it (many hold secrets), guesses its type, runs
// anything in it or shows it in a frame.
func guard(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
}
