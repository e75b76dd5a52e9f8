package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress draws a bar on a terminal for what takes longer than a second.
type progress struct {
	out   io.Writer // nil: not a terminal
	noun  string
	began time.Time
	drawn time.Time
}

func newProgress(out io.Writer, noun string) *progress {
	p := &progress{noun: noun, began: time.Now()}
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.out = out
		}
	}
	return p
}

const barWidth = 30

// show tells how far it is; total is 0 when nobody knows how much there is.
func (p *progress) show(done, total int64) {
	now := time.Now()
	if p.out == nil || now.Sub(p.began) < time.Second || now.Sub(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = now
	fmt.Fprint(p.out, "\r\x1b[K", bar(done, total, p.noun))
}

func bar(done, total int64, noun string) string {
	if total <= 0 {
		return fmt.Sprintf("%d %s", done, noun)
	}
	full := int(min(done, total) * barWidth / total)
	return fmt.Sprintf("[%s%s] %d of %d %s", strings.Repeat("#", full), strings.Repeat("-", barWidth-full), done, total, noun)
}

// end clears the bar's line.
func (p *progress) end() {
	if p.out != nil && !p.drawn.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
