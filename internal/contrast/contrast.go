package contrast

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The grounds that kunci.css puts links, marks and buttons on: --paper and --ground.
var (
	lightGrounds = []rgb{{255, 255, 255}, {238, 241, 245}}
	darkGrounds  = []rgb{{29, 35, 41}, {18, 22, 26}}
)

// Enough is the contrast that text needs (WCAG 2.2, 1.4.3).
const Enough = 4.5

// Grounds are the grounds of pages as a style sheet writes them, #rrggbb.
func Grounds(dark bool) []string {
	var all []string
	for _, ground := range grounds(dark) {
		all = append(all, ground.String())
	}
	return all
}

func grounds(dark bool) []rgb {
	if dark {
		return darkGrounds
	}
	return lightGrounds
}

// away is what a color is moved towards until it can be read: away from the ground.
func away(dark bool) float64 {
	if dark {
		return 255
	}
	return 0
}

// Judge gives the lowest contrast that a color like #0f6cbd has on the grounds of
// light or dark pages, and the nearest color of its hue that can be read there: the
// color itself where it can. The last result tells whether it is a color.
func Judge(color string, dark bool) (lowest float64, nearest string, ok bool) {
	c, ok := parse(color)
	if !ok {
		return 0, "", false
	}
	on := grounds(dark)
	return least(c, on), readable(c, on, away(dark)).String(), true
}

// Ratio is what of a contrast is written, with one decimal and as N:1 (WCAG 2.2,
// contrast ratio). It is rounded down: 4.49 is not enough.
func Ratio(x float64) float64 { return math.Floor(x*10) / 10 }

type rgb [3]float64

func (c rgb) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(c[0]+.5), int(c[1]+.5), int(c[2]+.5))
}

// luminance is WCAG's relative luminance.
func (c rgb) luminance() float64 {
	var parts [3]float64
	for i, v := range c {
		if v /= 255; v <= 0.04045 {
			parts[i] = v / 12.92
		} else {
			parts[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*parts[0] + 0.7152*parts[1] + 0.0722*parts[2]
}

func contrast(a, b rgb) float64 {
	x, y := a.luminance(), b.luminance()
	return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
}

// readable moves a color towards black or white until it can be read on every ground.
func readable(c rgb, on []rgb, towards float64) rgb {
	for step := 0.0; step <= 1; step += 0.005 {
		moved := c
		for i := range moved {
			moved[i] = math.Round(moved[i] + (towards-moved[i])*step)
		}
		good := true
		for _, ground := range on {
			good = good && contrast(moved, ground) >= Enough
		}
		if good {
			return moved
		}
	}
	return rgb{towards, towards, towards}
}

// inkOn is what is read on a color: black or white, whichever stands out more.
func inkOn(c rgb) rgb {
	black, white := rgb{}, rgb{255, 255, 255}
	if contrast(c, black) > contrast(c, white) {
		return black
	}
	return white
}

// Shades are an organization's color as people see it, on light and on dark
// ground, with the contrast it has there at least.
type Shades struct {
	Light, LightInk, Dark, DarkInk string
	OnLight, OnDark                float64
	// Asked is the contrast that the color itself has on light ground.
	Asked float64
}

// Changed tells whether the color had to be darkened on light ground.
func (s Shades) Changed() bool { return s.Asked < Enough }

// ShadesOf gives the shades of a color like #0f6cbd and of the one for dark pages,
// and whether the first is one. Without a second the first is lightened. A color
// that cannot be read is darkened or lightened.
func ShadesOf(color, forDark string) (Shades, bool) {
	c, ok := parse(color)
	if !ok {
		return Shades{}, false
	}
	d, ok := parse(forDark)
	if !ok {
		d = c
	}
	light, dark := readable(c, lightGrounds, away(false)), readable(d, darkGrounds, away(true))
	return Shades{
		Light: light.String(), LightInk: inkOn(light).String(), Dark: dark.String(), DarkInk: inkOn(dark).String(),
		OnLight: least(light, lightGrounds), OnDark: least(dark, darkGrounds), Asked: least(c, lightGrounds),
	}, true
}

func parse(color string) (rgb, bool) {
	text, ok := strings.CutPrefix(color, "#")
	n, err := strconv.ParseUint(text, 16, 32)
	if !ok || err != nil || len(text) != 6 {
		return rgb{}, false
	}
	return rgb{float64(n >> 16), float64(n >> 8 & 0xff), float64(n & 0xff)}, true
}

// least is the lowest contrast of a color on any of the grounds.
func least(c rgb, on []rgb) float64 {
	lowest := math.Inf(1)
	for _, ground := range on {
		lowest = math.Min(lowest, contrast(c, ground))
	}
	return lowest
}

// Style is the style sheet of an organization's color, for light and dark;
// empty where there is none.
func Style(color, forDark string) string {
	s, ok := ShadesOf(color, forDark)
	if !ok {
		return ""
	}
	return fmt.Sprintf(":root{--accent:%s;--on-accent:%s}\n@media (prefers-color-scheme:dark){:root{--accent:%s;--on-accent:%s}}\n",
		s.Light, s.LightInk, s.Dark, s.DarkInk)
}

// Samples is the style sheet of the two cards in which a color is shown before it
// is saved, .sample.light and .sample.dark; empty where there is none.
func Samples(color, forDark string) string {
	s, ok := ShadesOf(color, forDark)
	if !ok {
		return ""
	}
	return fmt.Sprintf(".sample.light{--accent:%s;--on-accent:%s}\n.sample.dark{--accent:%s;--on-accent:%s}\n", s.Light, s.LightInk, s.Dark, s.DarkInk)
}
