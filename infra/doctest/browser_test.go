package doctest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page in Chromium. Any error on the page fails the test.
type tab struct {
	refused bool // pages that refuse with a status of 4xx are no fault
	t       *testing.T
	ctx     context.Context

	mu     sync.Mutex
	faults []string
}

// newTab starts a new browser.
func newTab(t *testing.T, width int, script bool) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(width, 900), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("blink-settings", fmt.Sprintf("scriptEnabled=%v", script)))
	allocated, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocated)
	t.Cleanup(end)
	ctx, end = context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(end)
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.watch); err != nil {
		t.Fatal(err)
	}
	// Scrollbars take no width on a phone.
	b.do(chromedp.EmulateViewport(int64(width), 900))
	t.Cleanup(func() {
		if faults := b.seen(); len(faults) > 0 {
			t.Errorf("the page has errors:\n%s", strings.Join(faults, "\n"))
		}
	})
	return b
}

// watch records every request to another origin and every error or warning in
// the console, including violations of the policy.
func (b *tab) watch(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		url := e.Request.URL
		named := strings.Replace(url, "localhost", "127.0.0.1", 1) // the pages for people send browsers to this name
		if !strings.HasPrefix(named, running.URL+"/") && !strings.HasPrefix(url, "data:") && !strings.HasPrefix(url, "blob:"+running.URL) {
			b.fault("request to %s", url)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			for _, a := range e.Args {
				b.fault("console %s: %s %s", e.Type, a.Value, a.Description)
			}
		}
	case *runtime.EventExceptionThrown:
		b.fault("exception: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
	case *log.EventEntryAdded:
		if b.refused && strings.Contains(e.Entry.Text, "the server responded with a status of 4") {
			return
		}
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.fault("log: %s %s", e.Entry.Text, e.Entry.URL)
		}
	}
}

func (b *tab) fault(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

func (b *tab) seen() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.faults...)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("%v\n%s", err, strings.Join(b.seen(), "\n"))
	}
}

// get runs an action and returns its result.
func get[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, strings.Join(b.seen(), "\n"))
	}
	return value
}
