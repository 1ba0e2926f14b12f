package template

import (
	"math"
	"strconv"
)

// Brand is how the sender appears in a mail.
type Brand struct {
	Name    string
	LogoURL string // an https URL, or ""
	Color   string // of the button, such as #0a7cff; "" is a default
	Support string // a mail address, or ""
}

// defaultColor has enough contrast with white.
const defaultColor = "#2455d6"

// shownBrand is a brand as templates see it.
type shownBrand struct {
	Brand
	Ink string // black or white, whichever can be read better on Color
}

func (b Brand) shown() shownBrand {
	if len(b.Color) != 7 || b.Color[0] != '#' {
		b.Color = defaultColor
	}
	if luminance(b.Color) > 0.179 { // from here on black has the higher contrast
		return shownBrand{b, "#000000"}
	}
	return shownBrand{b, "#ffffff"}
}

// luminance is the relative luminance as WCAG 2 defines it, 0 to 1.
func luminance(color string) float64 {
	rgb, err := strconv.ParseUint(color[1:], 16, 32)
	if err != nil {
		return 0
	}
	channel := func(shift int) float64 {
		c := float64(rgb>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}
