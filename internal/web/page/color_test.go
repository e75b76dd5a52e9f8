package page

import (
	"regexp"
	"strconv"
	"testing"
)

var colorInCSS = regexp.MustCompile(`#[0-9a-f]{6}`)

func read(t *testing.T, text string) rgb {
	t.Helper()
	n, err := strconv.ParseUint(text[1:], 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	return rgb{float64(n >> 16), float64(n >> 8 & 0xff), float64(n & 0xff)}
}

func TestEveryColorCanBeRead(t *testing.T) {
	for _, color := range []string{"#0f6cbd", "#ffff00", "#000000", "#ffffff", "#777777", "#ff0000", "#00ff00", "#1d2329", "#c0ffee"} {
		found := colorInCSS.FindAllString(ColorStyle(color), -1)
		if len(found) != 4 {
			t.Fatalf("%s: %v", color, found)
		}
		for i, grounds := range [][]rgb{lightGrounds, darkGrounds} {
			accent, ink := read(t, found[2*i]), read(t, found[2*i+1])
			for _, ground := range append(grounds, ink) {
				if got := contrast(accent, ground); got < enough {
					t.Errorf("%s becomes %v: %.2f on %v", color, accent, got, ground)
				}
			}
		}
	}
	if found := colorInCSS.FindString(ColorStyle("#0f6cbd")); found != "#0f6cbd" {
		t.Errorf("a color that can be read was changed to %s", found)
	}
	for _, none := range []string{"", "red", "#fff", "#12345g", "#0f6cbd}body{"} {
		if css := ColorStyle(none); css != "" {
			t.Errorf("%q: %s", none, css)
		}
	}
}

func TestShadesTellTheirContrast(t *testing.T) {
	if s, ok := ShadesOf("#0f6cbd"); !ok || s.Changed() || s.Light != "#0f6cbd" || s.OnLight != s.Asked || s.OnDark < enough {
		t.Errorf("%+v", s)
	}
	if s, ok := ShadesOf("#ffff00"); !ok || !s.Changed() || s.Light == "#ffff00" || s.OnLight < enough || s.Dark != "#ffff00" {
		t.Errorf("%+v", s)
	}
}

func TestContrastIsThatOfWCAG(t *testing.T) {
	if got := contrast(rgb{}, rgb{255, 255, 255}); got < 20.99 || got > 21.01 {
		t.Errorf("black on white is %.3f", got)
	}
	if got := contrast(rgb{119, 119, 119}, rgb{255, 255, 255}); got < 4.47 || got > 4.49 {
		t.Errorf("#777 on white is %.3f", got)
	}
}
