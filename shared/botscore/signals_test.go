package botscore_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"portico/shared/botscore"
)

// chrome is a page that Chrome opens.
var chrome = map[string]string{
	"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
	"Accept":     "text/html,*/*;q=0.8", "Accept-Language": "en-US,en;q=0.9", "Accept-Encoding": "gzip, deflate, br, zstd",
	"Sec-CH-UA": `"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"`, "Sec-CH-UA-Mobile": "?0", "Sec-CH-UA-Platform": `"Windows"`,
	"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-User": "?1", "Upgrade-Insecure-Requests": "1",
}

const (
	firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0"
	safari  = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15"
)

func scoreOf(method string, changes ...string) botscore.Score {
	headers := maps.Clone(chrome)
	for i := 0; i < len(changes); i += 2 {
		headers[changes[i]] = changes[i+1]
	}
	r := &http.Request{Method: method, Header: http.Header{}}
	for name, value := range headers {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return botscore.Of(r)
}

// Each signal fires for its one change of a browser's request, with its weight.
func TestSignals(t *testing.T) {
	ua := chrome["User-Agent"]
	seen := map[string]bool{}
	for _, tt := range []struct {
		want    string
		method  string
		changes []string
	}{
		{"", "GET", nil},
		{"no_user_agent", "GET", []string{"User-Agent", ""}},
		{"no_user_agent", "GET", []string{"User-Agent", "Mozilla"}},
		{"not_a_browser", "GET", []string{"User-Agent", "curl/8.11.0"}},
		{"not_a_browser", "GET", []string{"User-Agent", "Mozilla/4.0 (compatible)"}},
		{"says_bot", "GET", []string{"User-Agent", ua + " (compatible; Googlebot/2.1)"}},
		{"says_bot", "GET", []string{"User-Agent", "WhateverCrawler"}},
		{"headless", "GET", []string{"User-Agent", strings.Replace(ua, "Chrome", "HeadlessChrome", 1)}},
		{"headless", "GET", []string{"Sec-CH-UA", `"HeadlessChrome";v="142"`}},
		{"unknown_engine", "GET", []string{"User-Agent", "Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko"}},
		{"wrong_user_agent", "GET", []string{"User-Agent", strings.Replace(ua, "like Gecko", "like Geckos", 1)}},
		{"wrong_user_agent foreign_client_hints", "GET", []string{"User-Agent", strings.Replace(safari, "Macintosh; Intel Mac OS X 10_15_7", "Windows NT 10.0", 1)}},
		{"wrong_user_agent foreign_client_hints", "GET", []string{"User-Agent", strings.Replace(firefox, "rv:144", "rv:140", 1)}},
		{"old_browser", "GET", []string{"User-Agent", strings.Replace(ua, "142", "96", 1), "Sec-CH-UA", `"Chromium";v="96"`}},
		{"no_accept odd_navigation", "GET", []string{"Accept", ""}},
		{"no_accept_language", "GET", []string{"Accept-Language", ""}},
		{"odd_accept_language", "GET", []string{"Accept-Language", "*"}},
		{"no_accept_encoding", "GET", []string{"Accept-Encoding", ""}},
		{"odd_accept_encoding", "GET", []string{"Accept-Encoding", "gzip, deflate"}},
		{"no_sec_fetch", "GET", []string{"Sec-Fetch-Site", "", "Sec-Fetch-Mode", "", "Sec-Fetch-Dest", "", "Sec-Fetch-User", ""}},
		{"odd_sec_fetch", "GET", []string{"Sec-Fetch-Dest", ""}},
		{"odd_sec_fetch", "GET", []string{"Sec-Fetch-Dest", "empty"}},
		{"odd_sec_fetch", "GET", []string{"Sec-Fetch-Mode", "cors"}},
		{"odd_navigation", "GET", []string{"Upgrade-Insecure-Requests", ""}},
		{"odd_navigation", "GET", []string{"Accept", "*/*"}},
		{"no_client_hints", "GET", []string{"Sec-CH-UA", "", "Sec-CH-UA-Mobile", "", "Sec-CH-UA-Platform", ""}},
		{"foreign_client_hints", "GET", []string{"User-Agent", firefox}},
		{"foreign_client_hints", "GET", []string{"User-Agent", safari}},
		{"other_version", "GET", []string{"Sec-CH-UA", `"Chromium";v="14", "Not_A Brand";v="99"`}},
		{"other_platform", "GET", []string{"Sec-CH-UA-Platform", `"Linux"`}},
		{"other_mobile", "GET", []string{"Sec-CH-UA-Mobile", "?1"}},
		{"post_without_origin", "POST", nil},
		{"", "POST", []string{"Origin", "https://app.example.com"}},
	} {
		score := scoreOf(tt.method, tt.changes...)
		weight := 0
		for _, s := range botscore.Signals() {
			for name := range strings.FieldsSeq(tt.want) {
				if s.Name == name {
					weight += s.Weight
					seen[name] = true
				}
			}
		}
		if score.Signals() != tt.want || score.Value != min(weight, 100) {
			t.Errorf("%v: %d %q, want %d %q", tt.changes, score.Value, score.Signals(), weight, tt.want)
		}
	}
	for _, s := range botscore.Signals() {
		if !seen[s.Name] || s.Weight < 1 || s.Weight > 100 || s.Means == "" {
			t.Errorf("the signal %+v was not seen or is not described", s)
		}
	}
}

// The score allocates nothing, because every request gets one.
func TestScoreAllocatesNothing(t *testing.T) {
	list := corpus(t)
	for _, e := range list {
		r := e.request()
		if n := testing.AllocsPerRun(10, func() { botscore.Of(r) }); n > 0 {
			t.Fatalf("%s: %v allocations", e.Client, n)
		}
	}
}

// Whatever the headers hold, there is a score of 0 to 100.
func FuzzScore(f *testing.F) {
	f.Add("GET", chrome["User-Agent"], chrome["Sec-CH-UA"], "en", "navigate")
	f.Add("POST", firefox, `"x";v="`, "", "")
	f.Add("POST", "Mozilla/5.0 ( Firefox/99999999999999999999 rv:", `;v="9`, "*", "cors")
	f.Fuzz(func(t *testing.T, method, agent, brands, language, mode string) {
		r := &http.Request{Method: method, Header: http.Header{"User-Agent": {agent}, "Sec-Ch-Ua": {brands}, "Accept-Language": {language}, "Sec-Fetch-Mode": {mode}}}
		if s := botscore.Of(r); s.Value < 0 || s.Value > 100 || (s.Value == 0) != (s.Signals() == "") {
			t.Errorf("%d %q", s.Value, s.Signals())
		}
	})
}

func BenchmarkScore(b *testing.B) {
	var requests []*http.Request
	for _, e := range corpus(b) {
		requests = append(requests, e.request())
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		botscore.Of(requests[i%len(requests)])
	}
}
