package e2e

import (
	"bytes"
	"image"
	_ "image/png" // what Chromium photographs in
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// signIn signs a person in by a session made directly.
func (b *tab) signIn(p *kuncitest.Product, userID string) {
	b.t.Helper()
	a, err := p.App.Accounts.Find(b.t.Context(), p.Organization(), userID)
	if err != nil {
		b.t.Fatal(err)
	}
	var token string
	err = p.App.DB.Write(b.t.Context(), func(tx *store.Tx) error {
		in, fresh, err := p.App.Sessions.Open(b.t.Context(), tx, "")
		if err != nil {
			return err
		}
		token = fresh
		_, err = p.App.Sessions.Begin(b.t.Context(), tx, in.ID, session.Begin{OrgID: a.OrgID, AccountID: a.ID, UserID: userID, Level: session.Full})
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.run("signing in", network.SetCookie("kunci-session", token).WithURL(b.base))
}

func (b *tab) html(selector string) string {
	b.t.Helper()
	var text string
	b.run("reading "+selector, chromedp.OuterHTML(selector, &text, chromedp.ByQuery))
	return text
}

// scan reads the QR code of the page as a camera would: from the picture.
func (b *tab) scan() string {
	b.t.Helper()
	var picture []byte
	b.run("photographing the code", chromedp.Screenshot("svg.qr", &picture, chromedp.ByQuery))
	seen, _, err := image.Decode(bytes.NewReader(picture))
	if err != nil {
		b.t.Fatal(err)
	}
	large := image.NewGray(image.Rect(0, 0, seen.Bounds().Dx()*3, seen.Bounds().Dy()*3))
	for y := range large.Bounds().Dy() {
		for x := range large.Bounds().Dx() {
			large.Set(x, y, seen.At(seen.Bounds().Min.X+x/3, seen.Bounds().Min.Y+y/3))
		}
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(large)
	if err != nil {
		b.t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		b.t.Fatalf("the QR code cannot be read: %v", err)
	}
	return result.GetText()
}

var shownCode = regexp.MustCompile(`[0-9a-z]{4}(?:-[0-9a-z]{4}){3}`)

func TestSecurityInfoInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range devices {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true})
			b := openTab(t, p.URL, on)
			b.signIn(p, "citra@contoso.com")
			b.open("/security-info", "security-info").shot("si-1-empty")
			b.press().at("security-info-add").shot("si-2-kinds")

			b.leave().click(`[data-kind="email"] a`).at("security-info-add").shot("si-3-email")
			b.fill("email", "citra@contoso.com").press().at("security-info-add").shot("si-4-own-domain")
			if got := b.attribute(`[role="alert"]`, "data-error"); got != "email-own-domain" {
				t.Errorf("alert %q", got)
			}
			b.run("emptying the field", chromedp.SetAttributeValue(`[name="email"]`, "value", "", chromedp.ByQuery))
			b.fill("email", "citra@example.net").press().at("security-info-add").shot("si-5-code")
			b.fill("code", p.Code(1)).fill("name", "Pribadi").press().at("security-info").shot("si-6-added")

			b.press().at("security-info-add")
			b.leave().click(`[data-kind="authenticator_code"] a`).at("security-info-add").shot("si-7-app")
			b.press().at("security-info-add").shot("si-8-qr")
			link := b.attribute(`a[href^="otpauth:"]`, "href")
			if scanned := b.scan(); scanned != link {
				t.Errorf("the QR code says %q, the link %q", scanned, link)
			}
			key, err := otp.NewKeyFromURL(link)
			if err != nil || key.Issuer() != "Contoso" || key.AccountName() != "citra@contoso.com" {
				t.Fatalf("the link %s: %v", link, err)
			}
			b.click("summary").run("typing by hand", chromedp.WaitVisible("[data-secret]", chromedp.ByQuery))
			if typed := b.html("[data-secret]"); !strings.Contains(strings.ReplaceAll(typed, " ", ""), key.Secret()) {
				t.Errorf("the secret as text is %s", typed)
			}
			code, err := totp.GenerateCode(key.Secret(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			b.fill("code", code).press().at("security-info")

			b.press().at("security-info-add").shot("si-9-kinds")
			b.leave().click(`[data-kind="recovery_code"] a`).at("security-info-add").shot("si-10-codes")
			b.press().at("security-info-add").shot("si-11-shown")
			if codes := shownCode.FindAllString(b.html("[data-codes]"), -1); len(codes) != 10 {
				t.Errorf("%d codes are shown", len(codes))
			}
			b.printed("si-12-printed")
			b.download(t)
			b.press().at("security-info").shot("si-13-list")

			b.leave().click(`[data-kind="email"] .acts a[href$="/change"]`).at("security-info-change").shot("si-14-change")
			b.leave().click(`button[value="replace"]`).at("security-info-add").shot("si-15-replace")
			b.open("/security-info", "security-info")
			b.leave().click(`[data-kind="email"] .acts a[href$="/delete"]`).at("security-info-delete").shot("si-16-delete")
			b.press().at("security-info").shot("si-17-deleted")
			b.leave().click(`[data-deleted] button`).at("security-info").shot("si-18-undone")
		})
	}
}

// printed judges the page as it is printed: the codes, and no button.
func (b *tab) printed(name string) {
	b.t.Helper()
	b.run("printing", emulation.SetEmulatedMedia().WithMedia("print"))
	b.shot(name)
	var buttons int
	if b.on.scripts {
		b.run("counting buttons", chromedp.Evaluate(`[...document.querySelectorAll("main button, main a, footer")].filter(e => e.offsetParent !== null).length`, &buttons))
		if buttons > 0 {
			b.t.Errorf("%d buttons and links are printed", buttons)
		}
		var paper int
		b.run("counting what is printed", chromedp.Evaluate(`[...document.querySelectorAll("main [data-codes] code, main p.print")].filter(e => e.offsetParent !== null).length`, &paper))
		if paper != 11 {
			b.t.Errorf("%d of ten codes and a heading are printed", paper)
		}
	}
	scheme := "light"
	if b.on.dark {
		scheme = "dark"
	}
	b.run("looking again", emulation.SetEmulatedMedia().WithMedia("").WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

// download saves the codes as a file.
func (b *tab) download(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	saved := make(chan struct{})
	chromedp.ListenTarget(b.ctx, func(event any) {
		if progress, ok := event.(*browser.EventDownloadProgress); ok && progress.State == browser.DownloadProgressStateCompleted {
			close(saved)
		}
	})
	b.run("allowing downloads", browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(dir).WithEventsEnabled(true))
	b.click(`form[action="/security-info/codes"] button`)
	select {
	case <-saved:
	case <-b.ctx.Done():
		t.Fatal("nothing was saved")
	}
	text, err := os.ReadFile(dir + "/recovery-codes.txt")
	if err != nil || len(shownCode.FindAllString(string(text), -1)) != 10 {
		t.Errorf("the file holds %q, %v", text, err)
	}
}
