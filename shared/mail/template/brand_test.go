package template

import "testing"

// What stands on the button can be read: white or black, with a contrast of 4.5 at
// least, whatever colour the organization chose.
func TestInkCanBeRead(t *testing.T) {
	for _, color := range []string{"#000000", "#ffffff", "#ff0000", "#00ff00", "#0000ff", "#ffb020", "#2455d6", "#777777", "#767676", "", "red"} {
		b := Brand{Color: color}.shown()
		light, dark := luminance(b.Color), luminance(b.Ink)
		if light < dark {
			light, dark = dark, light
		}
		if contrast := (light + 0.05) / (dark + 0.05); contrast < 4.5 {
			t.Errorf("%q: %s on %s has a contrast of %.2f", color, b.Ink, b.Color, contrast)
		}
	}
}
