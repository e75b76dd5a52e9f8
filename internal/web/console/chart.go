package console

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
