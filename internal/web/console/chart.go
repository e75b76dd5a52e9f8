package console

import (
	"strconv"
	"strings"
)

// chart is a bar chart with everything that its drawing needs.
type chart struct {
	Bars   []bar
	Max    int
	Width  int
	Height int
	// First and Last are the labels of the ends.
	First, Last string
	// Empty tells that there is nothing to draw.
	Empty bool
}

// bar is one bar; the value is also told in words.
type bar struct {
	Label               string
	Value               int
	X, Y, Width, Height int
}

const (
	chartWidth  = 720
	chartHeight = 160
	widestBar   = 36 // a single day is a bar, not a wall
	shareWidth  = 100
	dash        = 8
)

// draw places bars side by side, the highest over the whole height.
func draw(bars []bar) chart {
	c := chart{Bars: bars, Width: chartWidth, Height: chartHeight, Empty: true}
	for _, b := range bars {
		c.Max = max(c.Max, b.Value)
	}
	if c.Max == 0 {
		return c
	}
	c.Empty = false
	c.First, c.Last = bars[0].Label, bars[len(bars)-1].Label
	for i := range bars {
		b := &bars[i]
		b.X = i * chartWidth / len(bars)
		b.Width = min(max(1, (i+1)*chartWidth/len(bars)-b.X-2), widestBar)
		b.Height = b.Value * chartHeight / c.Max
		if b.Value > 0 {
			b.Height = max(b.Height, 2) // seen at all
		}
		b.Y = chartHeight - b.Height
	}
	return c
}

// lines is a chart of several values over time.
type lines struct {
	Lines         []line
	Max           int
	Width, Height int
	First, Last   string // the ends of the time, not of what is known of it
	Empty         bool
}

// line is one of them, with its name's catalogue key.
type line struct {
	Key    string
	Points string // of a polyline
}

// point is the values of one moment, at a place from 0 to 1 along the time.
type point struct {
	At     float64
	Values []int
}

// drawLines places the values of points by their time; all lines have one scale.
func drawLines(keys []string, points []point) lines {
	c := lines{Width: chartWidth, Height: chartHeight, Empty: len(points) == 0}
	for _, p := range points {
		for _, v := range p.Values {
			c.Max = max(c.Max, v)
		}
	}
	if c.Max == 0 {
		c.Empty = true
	}
	if c.Empty {
		return c
	}
	for i, key := range keys {
		l := line{Key: key}
		var text strings.Builder
		for _, p := range points {
			x, y := int(p.At*chartWidth), strconv.Itoa(chartHeight-p.Values[i]*chartHeight/c.Max)
			if len(points) == 1 { // a single one is a short line
				text.WriteString(strconv.Itoa(x-dash) + "," + y + " ")
				x += dash
			}
			text.WriteString(strconv.Itoa(x) + "," + y + " ")
		}
		l.Points = strings.TrimSpace(text.String())
		c.Lines = append(c.Lines, l)
	}
	return c
}

// share is a number with a bar beside it, the highest of its table over the whole width.
type share struct {
	Key   string // catalogue key of what it is; empty: Name
	Name  string
	N     int
	Width int
}

// shares draws the bars of a table.
func shares(all []share) []share {
	most := 0
	for _, s := range all {
		most = max(most, s.N)
	}
	for i := range all {
		if most > 0 {
			all[i].Width = all[i].N * shareWidth / most
		}
		if all[i].N > 0 {
			all[i].Width = max(all[i].Width, 1)
		}
	}
	return all
}
