package console

import "testing"

func TestBarsFitTheirChart(t *testing.T) {
	for _, days := range []int{1, 2, 30, 365, 2000} {
		bars := make([]bar, days)
		for i := range bars {
			bars[i].Value = i % 7
		}
		bars[days-1].Value = 1000
		c := draw(bars)
		last := 0
		for _, b := range c.Bars {
			if b.X < last || b.X+b.Width > c.Width+1 || b.Y+b.Height != c.Height || b.Width < 1 || b.Width > widestBar {
				t.Fatalf("%d days: %+v", days, b)
			}
			if b.Value > 0 && b.Height < 2 {
				t.Errorf("%d days: a day with something on it is not seen: %+v", days, b)
			}
			last = b.X
		}
		if c.Bars[days-1].Height != c.Height || c.Empty {
			t.Errorf("%d days: the highest bar is %d high", days, c.Bars[days-1].Height)
		}
	}
	if !draw(nil).Empty || !draw([]bar{{Value: 0}}).Empty {
		t.Error("nothing is drawn as something")
	}
}

func TestLinesFitTheirChart(t *testing.T) {
	c := drawLines([]string{"a", "b"}, []point{{At: .1, Values: []int{0, 10}}, {At: .9, Values: []int{5, 20}}})
	if c.Empty || c.Max != 20 || c.Lines[0].Points != "72,160 648,120" || c.Lines[1].Points != "72,80 648,0" {
		t.Errorf("%+v", c)
	}
	if !drawLines([]string{"a"}, nil).Empty || !drawLines([]string{"a"}, []point{{Values: []int{0}}}).Empty {
		t.Error("nothing is drawn as something")
	}
	got := shares([]share{{N: 1000}, {N: 1}, {}})
	if got[0].Width != shareWidth || got[1].Width != 1 || got[2].Width != 0 {
		t.Errorf("%+v", got)
	}
}
