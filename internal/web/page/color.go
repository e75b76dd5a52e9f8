package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The grounds that kunci.css puts links, marks and buttons on.
var (
	lightGrounds = []rgb{{255, 255, 255}, {238, 241, 245}}
	darkGrounds  = []rgb{{29, 35, 41}, {18, 22, 26}}
)

// contrast that text needs (WCAG 2.2, 1.4.3).
const enough = 4.5

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
	for step := 0.0; step <= 1; step += 0.02 {
		moved := c
		for i := range moved {
			moved[i] = math.Round(moved[i] + (towards-moved[i])*step)
		}
		good := true
		for _, ground := range on {
			good = good && contrast(moved, ground) >= enough
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
func (s Shades) Changed() bool { return s.Asked < enough }

// ShadesOf gives the shades of a color like #0f6cbd, and whether it is one. A color
// that cannot be read is darkened or lightened.
func ShadesOf(color string) (Shades, bool) {
	text, ok := strings.CutPrefix(color, "#")
	n, err := strconv.ParseUint(text, 16, 32)
	if !ok || err != nil || len(text) != 6 {
		return Shades{}, false
	}
	c := rgb{float64(n >> 16), float64(n >> 8 & 0xff), float64(n & 0xff)}
	light, dark := readable(c, lightGrounds, 0), readable(c, darkGrounds, 255)
	return Shades{
		Light: light.String(), LightInk: inkOn(light).String(), Dark: dark.String(), DarkInk: inkOn(dark).String(),
		OnLight: least(light, lightGrounds), OnDark: least(dark, darkGrounds), Asked: least(c, lightGrounds),
	}, true
}

// least is the lowest contrast of a color on any of the grounds.
func least(c rgb, on []rgb) float64 {
	lowest := math.Inf(1)
	for _, ground := range on {
		lowest = math.Min(lowest, contrast(c, ground))
	}
	return lowest
}

// ColorStyle is the style sheet of an organization's color, for light and dark;
// empty where there is none.
func ColorStyle(color string) string {
	s, ok := ShadesOf(color)
	if !ok {
		return ""
	}
	return fmt.Sprintf(":root{--accent:%s;--on-accent:%s}\n@media (prefers-color-scheme:dark){:root{--accent:%s;--on-accent:%s}}\n",
		s.Light, s.LightInk, s.Dark, s.DarkInk)
}
