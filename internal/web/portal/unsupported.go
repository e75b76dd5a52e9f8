package portal

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"rsc.io/qr"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

// QRCode is a drawing of a QR code: a path in a square of Size.
type QRCode struct {
	Size int
	Path string
}

// quiet is the empty border a reader needs, in modules (ISO/IEC 18004).
const quiet = 4

// drawQR draws a text as a QR code with its quiet zone.
func drawQR(text string) (QRCode, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return QRCode{}, fmt.Errorf("QR code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	return QRCode{Size: code.Size + 2*quiet, Path: path.String()}, nil
}

// unsupportedPage is for browsers that cannot show our pages.
type unsupportedPage struct {
	page.Base
	Address string
	QR      QRCode
}

func (p *Portal) getUnsupported(w http.ResponseWriter, r *http.Request) error {
	address := p.PublicURL + "/reset"
	code, err := drawQR(address)
	if err != nil {
		return err
	}
	shown := &unsupportedPage{
		Base:    page.Base{Name: "unsupported-browser", Title: "unsupported.title", Problem: string(problem.UpdateBrowser), Brand: page.BrandOf(p.onlyOrg(r.Context()))},
		Address: address, QR: code,
	}
	return p.Pages.Write(w, r, http.StatusOK, "unsupported_browser", shown)
}

var engineVersion = regexp.MustCompile(`(Chrome|Firefox|Version)/(\d{1,4})`)

// Unsupported tells browsers whose engine cannot show the pages: Internet
// Explorer, the EdgeHTML engine, and engines from before 2018. A name nobody
// knows is let in: the pages need little.
func Unsupported(userAgent string) bool {
	if strings.Contains(userAgent, "MSIE ") || strings.Contains(userAgent, "Trident/") || strings.Contains(userAgent, " Edge/") {
		return true
	}
	oldest := map[string]int{"Chrome": 64, "Firefox": 60, "Version": 11}
	for _, match := range engineVersion.FindAllStringSubmatch(userAgent, -1) {
		if match[1] == "Version" && !strings.Contains(userAgent, "Safari/") || match[1] == "Version" && strings.Contains(userAgent, "Android") {
			continue // an Android web view calls itself Version/4.0 and has Chrome's engine
		}
		if n, err := strconv.Atoi(match[2]); err == nil && n < oldest[match[1]] {
			return true
		}
	}
	return false
}
