package contrast

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
		found := colorInCSS.FindAllString(Style(color, ""), -1)
		if len(found) != 4 {
			t.Fatalf("%s: %v", color, found)
		}
		for i, grounds := range [][]rgb{lightGrounds, darkGrounds} {
			accent, ink := read(t, found[2*i]), read(t, found[2*i+1])
			for _, ground := range append(grounds, ink) {
				if got := contrast(accent, ground); got < Enough {
					t.Errorf("%s becomes %v: %.2f on %v", color, accent, got, ground)
				}
			}
		}
	}
	if found := colorInCSS.FindString(Style("#0f6cbd", "")); found != "#0f6cbd" {
		t.Errorf("a color that can be read was changed to %s", found)
	}
	for _, none := range []string{"", "red", "#fff", "#12345g", "#0f6cbd}body{"} {
		if css := Style(none, ""); css != "" {
			t.Errorf("%q: %s", none, css)
		}
	}
}

func TestShadesTellTheirContrast(t *testing.T) {
	if s, ok := ShadesOf("#0f6cbd", ""); !ok || s.Changed() || s.Light != "#0f6cbd" || s.OnLight != s.Asked || s.OnDark < Enough {
		t.Errorf("%+v", s)
	}
	if s, ok := ShadesOf("#ffff00", ""); !ok || !s.Changed() || s.Light == "#ffff00" || s.OnLight < Enough || s.Dark != "#ffff00" {
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

// What is named instead of a refused color passes, and is not far from it.
func TestTheNearestColorPasses(t *testing.T) {
	for _, c := range []struct {
		color string
		dark  bool
		ok    bool
	}{
		{"#0f6cbd", false, true}, {"#0f6cbd", true, false}, {"#8cc3ff", true, true}, {"#8cc3ff", false, false},
		{"#ffcc00", false, false}, {"#ffcc00", true, true}, {"#777777", false, false}, {"#000000", true, false}, {"#ffffff", false, false},
	} {
		lowest, nearest, ok := Judge(c.color, c.dark)
		if !ok || (lowest >= Enough) != c.ok || (nearest == c.color) != c.ok {
			t.Errorf("%s, dark %v: %.2f, %s", c.color, c.dark, lowest, nearest)
		}
		again, same, _ := Judge(nearest, c.dark)
		if again < Enough || same != nearest || !c.ok && again > Enough+0.2 {
			t.Errorf("%s, dark %v: %s has %.2f", c.color, c.dark, nearest, again)
		}
	}
	if _, _, ok := Judge("blue", false); ok {
		t.Error("a word is a color")
	}
	if got := Ratio(4.499); got != 4.4 {
		t.Errorf("4.499 is written %v", got)
	}
}

func TestDarkPagesHaveAColorOfTheirOwn(t *testing.T) {
	s, ok := ShadesOf("#0f6cbd", "#ffcc00")
	if !ok || s.Light != "#0f6cbd" || s.Dark != "#ffcc00" {
		t.Errorf("%+v", s)
	}
	if s, _ := ShadesOf("#0f6cbd", "#222222"); s.OnDark < Enough {
		t.Errorf("a color for dark pages that cannot be read there stays: %+v", s)
	}
	if found := colorInCSS.FindAllString(Samples("#0f6cbd", "#ffcc00"), -1); len(found) != 4 || found[2] != "#ffcc00" {
		t.Errorf("%v", found)
	}
}
