package totp_test

import (
	"fmt"
	"image"
	"image/color"
	"net/url"
	"strings"
	"testing"
	"time"

	"portico/shared/totp"
)

// The values of RFC 6238, appendix B, for SHA-1, as far as six digits show them.
func TestCodesOfTheStandard(t *testing.T) {
	t.Parallel()
	key := totp.Key([]byte("12345678901234567890"))
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		now := time.Unix(at, 0)
		if got := key.Code(totp.StepAt(now)); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
		if step, ok := key.Match(want[:3]+" "+want[3:], now); !ok || step != at/30 {
			t.Errorf("at %d: step %d (%v)", at, step, ok)
		}
	}
}

// M2: the code of now and of the step before match, and no other.
func TestMatchesTwoSteps(t *testing.T) {
	t.Parallel()
	key, now := totp.New(), time.Unix(1_800_000_000, 0)
	for ahead, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: false, 2: false} {
		step := totp.StepAt(now) + ahead
		if got, ok := key.Match(key.Code(step), now); ok != want || ok && got != step {
			t.Errorf("the code of step %+d: %v (%d)", ahead, ok, got)
		}
	}
	for _, typed := range []string{"", "0", "abcdef", key.Code(totp.StepAt(now)) + "0", strings.Repeat("1", 1000), totp.New().Code(totp.StepAt(now))} {
		if _, ok := key.Match(typed, now); ok {
			t.Errorf("%.20q matches", typed)
		}
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	key := totp.Key([]byte("12345678901234567890"))
	text := key.URL("Portico", "ada+test@example.com")
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Portico:ada+test@example.com" ||
		u.Query().Get("secret") != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" || u.Query().Get("issuer") != "Portico" {
		t.Errorf("%s (%v)", text, err)
	}
}

// The dots of the path are those of the QR code: its three corners are where every reader
// looks for them.
func TestDraw(t *testing.T) {
	t.Parallel()
	drawn, err := totp.Draw(totp.New().URL("Portico", "ada@example.com"))
	if err != nil || drawn.Size < 21 {
		t.Fatalf("%+v (%v)", drawn, err)
	}
	dots := image.NewGray(image.Rect(0, 0, drawn.Size, drawn.Size))
	for dot := range strings.SplitSeq(strings.TrimSuffix(drawn.Path, "z"), "z") {
		x, y := place(t, dot)
		dots.SetGray(x, y, color.Gray{1})
	}
	for _, corner := range [][2]int{{0, 0}, {drawn.Size - 7, 0}, {0, drawn.Size - 7}} {
		for i := range 7 {
			for j := range 7 {
				ring := i == 0 || i == 6 || j == 0 || j == 6 || i >= 2 && i <= 4 && j >= 2 && j <= 4
				if dark := dots.GrayAt(corner[0]+i, corner[1]+j).Y == 1; dark != ring {
					t.Fatalf("the corner %v at %d, %d: dark %v", corner, i, j, dark)
				}
			}
		}
	}
	if _, err := totp.Draw(strings.Repeat("x", 5000)); err == nil {
		t.Error("a text that is too long was drawn")
	}
}

// place reads a dot such as M3 4h1v1h-1.
func place(t *testing.T, dot string) (x, y int) {
	t.Helper()
	if n, err := fmt.Sscanf(dot, "M%d %dh1v1h-1", &x, &y); n != 2 {
		t.Fatalf("%q: %v", dot, err)
	}
	return x, y
}
