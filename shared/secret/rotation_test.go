package secret_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"portico/shared/secret"
)

// manager stores the sealing secret, as Secrets Manager does, and counts how
// often it is read.
type manager struct {
	text  atomic.Pointer[string]
	reads atomic.Int64
}

func (m *manager) put(text string) { m.text.Store(&text) }

func (m *manager) fetch() ([]byte, error) {
	m.reads.Add(1)
	if text := *m.text.Load(); text != "" {
		return []byte(text), nil
	}
	return nil, errors.New("no answer")
}

func newBox(t *testing.T, m *manager) *secret.Box {
	t.Helper()
	box, err := secret.New(m.fetch)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func opens(t *testing.T, box *secret.Box, sealed []byte) bool {
	t.Helper()
	plain, err := box.Open(sealed, "context")
	if err != nil && !errors.Is(err, secret.ErrSealed) {
		t.Errorf("%v is not ErrSealed", err)
	}
	return err == nil && string(plain) == "plain"
}

// The keys are rotated in two steps. In both, warm and fresh environments can
// open every value, and a warm one reads the keys at most once more.
func TestRotationInTwoSteps(t *testing.T) {
	first, second := rand.Text()+rand.Text(), rand.Text()+rand.Text()
	m := &manager{}
	m.put(fmt.Sprintf(`{"current":"1","1":%q}`, first))
	boxes := []*secret.Box{newBox(t, m)}
	var sealed [][]byte
	for _, step := range []string{
		m.current(),
		fmt.Sprintf(`{"current":"1","1":%q,"2":%q}`, first, second),
		fmt.Sprintf(`{"current":"2","1":%q,"2":%q}`, first, second),
	} {
		m.put(step)
		boxes = append(boxes, newBox(t, m))
		for _, box := range boxes {
			sealed = append(sealed, box.Seal([]byte("plain"), "context"))
		}
		for i, box := range boxes {
			for _, s := range sealed {
				if !opens(t, box, s) {
					t.Errorf("%s: environment %d does not open version %d", step, i, s[0])
				}
			}
		}
	}
	if last := sealed[len(sealed)-1]; last[0] != 2 {
		t.Errorf("a fresh environment seals under version %d, want 2", last[0])
	}
	// Each box read once at the start. The two that did not have version 2 then
	// met a value under it.
	if n := m.reads.Load(); n != int64(len(boxes))+2 {
		t.Errorf("the keys were read %d times by %d environments, want 2 more", n, len(boxes))
	}
}

func (m *manager) current() string { return *m.text.Load() }

// However many values name a missing version, the keys are read again only once a
// minute. When the version is back, everything opens.
func TestUnknownVersionIsFetchedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := rand.Text()+rand.Text(), rand.Text()+rand.Text()
		both, without := fmt.Sprintf(`{"current":"2","1":%q,"2":%q}`, first, second), fmt.Sprintf(`{"current":"1","1":%q}`, first)
		m := &manager{}
		m.put(both)
		sealed := newBox(t, m).Seal([]byte("plain"), "context")
		m.put(without)
		box := newBox(t, m)
		m.reads.Store(0)
		hundred := func(wants bool, reads int64) {
			t.Helper()
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if opens(t, box, sealed) != wants {
						t.Errorf("opened: %v", !wants)
					}
				})
			}
			all.Wait()
			if n := m.reads.Swap(0); n != reads {
				t.Errorf("the keys were read %d times, want %d", n, reads)
			}
		}
		hundred(false, 1)
		m.put(both)
		pass(59 * time.Second)
		hundred(false, 0)
		pass(time.Second)
		hundred(true, 1)
		hundred(true, 0)
	})
}

// pass lets time pass in a synctest bubble, not on the machine.
func pass(d time.Duration) { <-time.After(d) }

// Keys that cannot be read, or must not be used, do not replace the current ones.
// The error says what is wrong without showing a key.
func TestBadKeysDoNotReplaceGoodOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := rand.Text()+rand.Text(), rand.Text()+rand.Text()
		m := &manager{}
		m.put(fmt.Sprintf(`{"current":"2","2":%q}`, second))
		foreign := newBox(t, m).Seal([]byte("plain"), "context")
		m.put(fmt.Sprintf(`{"current":"1","1":%q}`, first))
		box := newBox(t, m)
		own := box.Seal([]byte("plain"), "context")
		for text, want := range map[string]string{
			"": "no answer",
			fmt.Sprintf(`{"current":"2","1":%q}`, first):                                       `"current"`,
			fmt.Sprintf(`{"current":"2","1":%q,"2":%q}`, first, strings.Repeat("changeme", 8)): "known default",
			fmt.Sprintf(`{"current":"1","1":%q,"3":%q}`, first, rand.Text()+rand.Text()):       "has no key version 2",
			fmt.Sprintf(`{"current":"2","1":%q,"2":%q}`, first, second[:20]):                   "key version",
		} {
			m.put(text)
			pass(time.Minute)
			_, err := box.Open(foreign, "context")
			if !errors.Is(err, secret.ErrSealed) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), second[:20]) {
				t.Errorf("%s: %v, want %q", text, err, want)
			}
			if !opens(t, box, own) {
				t.Errorf("%s: what was sealed before does not open", text)
			}
		}
	})
}

// A code under a version that another environment knows already is made after the keys
// are read again.
func TestMACAfterRotation(t *testing.T) {
	first, second := rand.Text()+rand.Text(), rand.Text()+rand.Text()
	m := &manager{}
	m.put(fmt.Sprintf(`{"current":"1","1":%q}`, first))
	box := newBox(t, m)
	m.put(fmt.Sprintf(`{"current":"2","1":%q,"2":%q}`, first, second))
	if _, err := box.MAC(2, nil); err != nil || box.Current() != 2 {
		t.Errorf("%v, current %d", err, box.Current())
	}
}
