package doctest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"portico/infra/local/stacktest"
)

var widths = []int{1280, 390}

// operation is an operation of the OpenAPI document.
type operation struct {
	ID   string `json:"operationId"`
	Name string `json:"summary"`
	Tags []string
	path string
}

// described lists the operations that the running API describes, by method and path.
func described(t *testing.T) map[string]operation {
	t.Helper()
	res, err := http.Get(running.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var document struct {
		Paths map[string]map[string]operation
	}
	if err := json.NewDecoder(res.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	operations := map[string]operation{}
	for path, item := range document.Paths {
		for method, o := range item {
			o.path = path
			operations[strings.ToUpper(method)+" "+path] = o
		}
	}
	if len(operations) < 40 {
		t.Fatalf("only %d operations are described", len(operations))
	}
	return operations
}

// open shows an operation in the reference and returns its element.
func (b *tab) open(name string, o operation) (selector string) {
	b.t.Helper()
	id := "tag/" + strings.ReplaceAll(strings.ToLower(o.Tags[0]), " ", "-") + "/" + strings.ReplaceAll(name, " ", "")
	selector = fmt.Sprintf(`[...document.querySelectorAll('[id$="%s"]')].find(e => e.innerText.includes(%q) && e.innerText.includes(%q))`, id, o.Name, o.path)
	get(b, chromedp.Evaluate[bool](fmt.Sprintf(`location.hash = %q; true`, id)))
	b.await("!!" + selector)
	return selector
}

// await waits until an expression is true on the page.
func (b *tab) await(expression string) {
	b.t.Helper()
	poll := chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(30*time.Second), chromedp.WithPollingInterval(50*time.Millisecond))
	if _, err := chromedp.Run(b.ctx, poll); err != nil {
		b.t.Fatalf("never true: %s: %v", expression, err)
	}
}

// start shows the reference.
func (b *tab) start() {
	b.t.Helper()
	b.do(chromedp.Navigate(running.URL+"/docs"), chromedp.WaitVisible(chromedp.CSS("#reference h1")))
}

// The reference shows every operation, and loads nothing from another origin.
func TestReferenceShowsEveryOperation(t *testing.T) {
	for _, width := range widths {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			b := newTab(t, width, true)
			tags := map[string]map[string]operation{}
			for name, o := range described(t) {
				if tags[o.Tags[0]] == nil {
					tags[o.Tags[0]] = map[string]operation{}
				}
				tags[o.Tags[0]][name] = o
			}
			for _, operations := range tags {
				b.start() // the page gets slow when many tags are open
				for name, o := range operations {
					b.open(name, o)
					b.wantNoOverflow()
				}
			}
		})
	}
}

// The reference shows nested fields, such as those of a client certificate.
func TestReferenceShowsNestedFields(t *testing.T) {
	for _, width := range widths {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			b := newTab(t, width, true)
			b.start()
			name := "POST /v1/webhook-endpoints"
			shown := get(b, chromedp.Evaluate[string](b.open(name, described(t)[name])+".innerText"))
			for _, want := range []string{"client_certificate", "private_key", "PEM: the endpoint's own certificate first"} {
				if !strings.Contains(shown, want) {
					t.Errorf("%q is not shown", want)
				}
			}
		})
	}
}

// Every operation has a sample in four languages.
func TestReferenceShowsSamples(t *testing.T) {
	for _, width := range widths {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			b := newTab(t, width, true)
			b.start()
			name := "POST /v1/events"
			section := b.open(name, described(t)[name])
			get(b, chromedp.Evaluate[bool](`[...`+section+`.querySelectorAll('button')].find(e => e.innerText.includes('Curl')).click(); true`))
			b.await(`document.querySelectorAll('[role=option]').length > 0`)
			shown := get(b, chromedp.Evaluate[[]string](`[...document.querySelectorAll('[role=option]')].map(e => e.innerText.trim())`))
			slices.Sort(shown)
			// Go's client begins with http.NewRequest.
			if want := []string{"Curl", "NewRequest", "Requests", "TypeScript"}; !slices.Equal(shown, want) {
				t.Errorf("samples %q, want %q", shown, want)
			}
			get(b, chromedp.Evaluate[bool](`[...document.querySelectorAll('[role=option]')].find(e => e.innerText.trim() == 'TypeScript').click(); true`))
			b.await(section + `.innerText.includes('await api.POST("/v1/events"')`)
		})
	}
}

// Somebody with a key can try a call from the page.
func TestReferenceTriesACall(t *testing.T) {
	key := stacktest.NewCustomer(t, running).Key
	for _, width := range widths {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			b := newTab(t, width, true)
			b.start()
			b.do(chromedp.SendKeys(chromedp.CSS(`input[placeholder="Token"]`), key))
			name := "GET /v1/webhook-endpoints"
			section := b.open(name, described(t)[name])
			get(b, chromedp.Evaluate[bool](section+`.querySelectorAll('button').forEach(e => { if (e.innerText.includes('Test Request')) e.click() }); true`))
			send := `[...document.querySelectorAll('[data-addressbar-action="send"]')].find(e => e.offsetParent)` // the page has one for each screen width
			b.await("!!" + send)
			get(b, chromedp.Evaluate[bool](send+`.click(); true`))
			b.await(`document.querySelector('[role=dialog]').innerText.includes('200')`)
		})
	}
}

func (b *tab) wantNoOverflow() {
	b.t.Helper()
	if over := b.overflow(); over > 0 {
		b.t.Errorf("the page is %d px wider than the window", over)
	}
}

// overflow returns how many pixels the page is wider than the window.
func (b *tab) overflow() int {
	b.t.Helper()
	return get(b, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`))
}

// violation is a finding of axe, an accessibility check.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct{ HTML string }
}

// violations returns the serious findings on the page.
func (b *tab) violations() (found []violation) {
	b.t.Helper()
	script, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		b.t.Fatal(err)
	}
	get(b, chromedp.Evaluate[bool](string(script)+"; true"))
	all := get(b, chromedp.Evaluate[[]violation](`axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)`, chromedp.EvalAwaitPromise))
	for _, v := range all {
		if v.Impact == "serious" || v.Impact == "critical" {
			found = append(found, v)
		}
	}
	return found
}

// The pages are readable with a keyboard, a screen reader or a phone.
func TestPagesAreAccessible(t *testing.T) {
	for _, width := range widths {
		for _, page := range []string{"", "/receiving-webhooks", "/errors", "/endpoints", "/organizations", "/permissions"} {
			t.Run(fmt.Sprint(width, page), func(t *testing.T) {
				b := newTab(t, width, true)
				b.do(chromedp.Navigate(running.URL+"/docs"+page), chromedp.WaitVisible(chromedp.CSS("h1")))
				for _, v := range b.violations() {
					if page == "" && v.ID == "button-name" {
						continue // the renderer's button that copies an address
					}
					t.Errorf("%s (%s): %s\n%.500v", v.ID, v.Impact, v.Help, v.Nodes)
				}
				b.wantNoOverflow()
			})
		}
	}
}

// Without script the page lists every operation and every field.
func TestReferenceWithoutScript(t *testing.T) {
	for _, width := range widths {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			b := newTab(t, width, false)
			b.do(chromedp.Navigate(running.URL+"/docs"), chromedp.WaitVisible(chromedp.CSS("h1")))
			shown := get(b, chromedp.TextContent("body"))
			for name, o := range described(t) {
				if !strings.Contains(shown, o.path) || !strings.Contains(shown, o.Name) {
					t.Errorf("%s is not shown", name)
				}
			}
			if !strings.Contains(shown, "client_certificate.private_key") {
				t.Errorf("fields within fields are not shown")
			}
			b.wantNoOverflow()
		})
	}
}
