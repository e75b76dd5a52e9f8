package e2e

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// mostHigh cuts a long page; what stands below is not what a reader came for.
const mostHigh = 980

// picture puts shots side by side into shots/readme/NAME.png, from where "make
// pictures" takes them: in the 256 colors that occur most, to stay small.
func picture(t *testing.T, name string, shots ...string) {
	t.Helper()
	if !pictures {
		return
	}
	var all []image.Image
	size := image.Point{}
	for _, path := range shots {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := png.Decode(file)
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, decoded)
		size.X += decoded.Bounds().Dx()
		size.Y = max(size.Y, min(decoded.Bounds().Dy(), mostHigh))
	}
	canvas := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(canvas, canvas.Bounds(), image.NewUniform(all[0].At(0, 0)), image.Point{}, draw.Src)
	left := 0
	for _, shot := range all {
		draw.Draw(canvas, image.Rect(left, 0, left+shot.Bounds().Dx(), size.Y), shot, shot.Bounds().Min, draw.Src)
		left += shot.Bounds().Dx()
	}
	small := image.NewPaletted(canvas.Bounds(), commonest(canvas))
	draw.Draw(small, small.Bounds(), canvas, image.Point{}, draw.Src)
	folder := filepath.Join("shots", "readme")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(folder, name+".png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(out, small); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// commonest gives the 256 colors that occur most.
func commonest(of *image.RGBA) color.Palette {
	counts := make(map[color.RGBA]int)
	for y := range of.Bounds().Dy() {
		for x := range of.Bounds().Dx() {
			counts[of.RGBAAt(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int { return counts[b] - counts[a] })
	var p color.Palette
	for _, c := range colors[:min(len(colors), 256)] {
		p = append(p, c)
	}
	return p
}
