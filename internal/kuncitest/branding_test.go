package kuncitest_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

const brandingPath = "/console/settings/branding"

// brandingLogo is a picture of one color.
func brandingLogo(t *testing.T, shade uint8) string {
	t.Helper()
	picture := image.NewGray(image.Rect(0, 0, 8, 8))
	picture.SetGray(1, 1, color.Gray{shade})
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAnOwnerChangesTheBranding(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		b := atDesk(t, p, "owner@contoso.com", true)
		version := settingsVersion(t, b.Get(brandingPath).Want(http.StatusOK, "console-branding"))
		send := func(logo string, fields ...string) *kuncitest.Page {
			t.Helper()
			all := append([]string{"version", version, "name", "PT Contoso", "email", "helpdesk@contoso.example", "url", "", "phone", "+62 21 555",
				"text_id", "Gedung B", "text_en", "Building B", "help", "https://intra.contoso.com/help", "privacy", ""}, fields...)
			if logo == "" {
				return b.Upload(brandingPath, "", "", "", all...)
			}
			return b.Upload(brandingPath, "logo", "logo.png", logo, all...)
		}
		// Text nobody can read is refused, with how little it is and what could be read.
		pale := send("", "color", "#ffcc00", "color_dark", "", "action", "save_branding").Want(http.StatusUnprocessableEntity, "console-branding")
		if text := pale.Text(); !strings.Contains(text, "1.3:1") || !strings.Contains(text, "can be read") {
			t.Errorf("a pale color: %s", text)
		}
		if kept, _ := pale.Field("phone"); kept != "+62 21 555" {
			t.Error("what was typed is lost")
		}
		// What is no picture is refused, whatever it is called.
		for name, data := range map[string]string{"a page": "<html><script>alert(1)</script></html>", "a script in an SVG": `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`, "too large": strings.Repeat("x", org.MaxLogo+1)} {
			if page := send(data, "color", "#0f6cbd", "action", "save_branding"); page.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s as a logo: %d", name, page.Status)
			}
		}
		// The preview shows the colors and the picture, and stores neither.
		before := p.Organization().Version
		preview := send(brandingLogo(t, 9), "color", "0f6cbd", "color_dark", "#8cc3ff", "action", "preview_branding").Want(http.StatusOK, "console-branding")
		sheet := brandingSheet(preview)
		if css := b.Get(sheet); css.Status != http.StatusOK || !strings.Contains(css.Body, "#8cc3ff") || css.Header.Get("Content-Type") != "text/css; charset=utf-8" {
			t.Errorf("the sample's colors at %q: %d %s", sheet, css.Status, css.Body)
		}
		kept, ok := preview.Field("logo_kept")
		if !ok || !strings.Contains(preview.Body, `<img class="logo" src="data:image/png;base64,`) || p.Organization().Version != before {
			t.Fatalf("the preview: kept %v, version %d", ok, p.Organization().Version)
		}
		// Saved without choosing the picture again.
		send("", "color", "#0f6cbd", "color_dark", "#8cc3ff", "logo_kept", kept, "action", "save_branding").Want(http.StatusOK, "console-branding")
		if page := send("", "color", "#0f6cbd", "action", "save_branding"); page.Status != http.StatusConflict {
			t.Errorf("to an old version: %d", page.Status)
		}
		event, ok := settingsEvent(p, audit.OrganizationChanged, "branding.color")
		if !ok || event.Actor.UserID != "owner@contoso.com" || event.Detail["branding.logo"] == "" {
			t.Errorf("the event: %+v", event)
		}
		// People see it, and a picture that is opened by itself can do nothing.
		start := p.Browser()
		start.Header.Set("Accept-Language", "en")
		start.Get("/reset")
		seen := start.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot")
		for _, want := range []string{"PT Contoso", "Building B", "62 21 555", "https://intra.contoso.com/help", "/brand/contoso.css?v=0f6cbd8cc3ff", "/logo/contoso?v="} {
			if !strings.Contains(seen.Body, want) {
				t.Errorf("people do not see %s:\n%s", want, seen.Body)
			}
		}
		if css := p.Browser().Get("/brand/contoso.css"); !strings.Contains(css.Body, "#8cc3ff") {
			t.Errorf("the color of dark pages: %s", css.Body)
		}
		logo := p.Browser().Get("/logo/contoso")
		if logo.Status != http.StatusOK || logo.Header.Get("Content-Type") != "image/png" || logo.Header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(logo.Header.Get("Content-Security-Policy"), "default-src 'none'") || !strings.Contains(logo.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("the logo: %d %v", logo.Status, logo.Header)
		}
		// What the console made is in the file, and the file makes the same again.
		file := settingsFile(t, p)
		before = p.Organization().Version
		if p.Apply(file); p.Organization().Version != before {
			t.Errorf("applying what was shown changes something:\n%s", file)
		}
		version = settingsVersion(t, b.Get(brandingPath))
		send("", "color", "", "remove_logo", "yes", "action", "save_branding").Want(http.StatusOK, "console-branding")
		if logo := p.Browser().Get("/logo/contoso"); logo.Status != http.StatusNotFound {
			t.Errorf("a logo that was taken away: %d", logo.Status)
		}
		// The other organization has its own.
		p.Import("fabrikam", "user_id,display_name,password\nowner@fabrikam.com,Oscar,teapot harbour violin\n")
		if page := atDesk(t, p, "owner@fabrikam.com", true).Get(brandingPath); strings.Contains(page.Body, "Building B") || !strings.Contains(page.Body, "Fabrikam") {
			t.Error("another organization's branding")
		}
	})
}

// brandingSheet is the style sheet of the samples on a page.
func brandingSheet(page *kuncitest.Page) string {
	_, rest, _ := strings.Cut(page.Body, `<link rel="stylesheet" href="/console/settings/branding/sample.css`)
	query, _, _ := strings.Cut(rest, `"`)
	return brandingPath + "/sample.css" + strings.ReplaceAll(query, "&amp;", "&")
}

func TestBrandingOverTheAPI(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Owner)
		got := c.do(http.MethodGet, api+"/branding", "")
		tag := got.header.Get("ETag")
		if got.status != http.StatusOK || tag == "" || !strings.Contains(got.body, `"name":"Contoso"`) {
			t.Fatalf("%d %s", got.status, got.body)
		}
		const body = `{"name":"PT Contoso","color":"#0f6cbd","support":{"email":"helpdesk@contoso.example","text":{"id":"Gedung B"}},"links":{"privacy":"https://contoso.com/privacy"}}`
		if got := c.do(http.MethodPut, api+"/branding", strings.Replace(body, "#0f6cbd", "#ffcc00", 1), "If-Match", tag); got.code() != string(problem.DocumentWrong) || !strings.Contains(got.body, "1.3:1") {
			t.Errorf("a pale color: %d %s", got.status, got.body)
		}
		put := c.do(http.MethodPut, api+"/branding", body, "If-Match", tag)
		if put.status != http.StatusOK || !strings.Contains(put.body, `"contrast":{"light":4.`) {
			t.Errorf("%d %s", put.status, put.body)
		}
		if got := c.do(http.MethodPut, api+"/branding", body, "If-Match", tag); got.status != http.StatusPreconditionFailed {
			t.Errorf("to an old version: %d", got.status)
		}
		tag = put.header.Get("ETag")
		// The picture's bytes say what it is, not its media type.
		if got := c.do(http.MethodPut, api+"/branding/logo", "<html></html>", "If-Match", tag, "Content-Type", "image/png"); got.code() != string(problem.DocumentWrong) {
			t.Errorf("a page as a logo: %d %s", got.status, got.body)
		}
		if got := c.do(http.MethodPut, api+"/branding/logo", strings.Repeat("x", 2*org.MaxLogo), "If-Match", tag, "Content-Type", "image/png"); got.status != http.StatusRequestEntityTooLarge {
			t.Errorf("a large logo: %d %s", got.status, got.body)
		}
		put = c.do(http.MethodPut, api+"/branding/logo", brandingLogo(t, 7), "If-Match", tag, "Content-Type", "image/png")
		if put.status != http.StatusOK || !strings.Contains(put.body, `"type":"image/png"`) || !strings.Contains(put.body, "PT Contoso") {
			t.Errorf("%d %s", put.status, put.body)
		}
		gone := c.do(http.MethodDelete, api+"/branding/logo", "", "If-Match", put.header.Get("ETag"))
		if gone.status != http.StatusOK || strings.Contains(gone.body, `"logo"`) || len(p.Organization().Branding.Logo) > 0 {
			t.Errorf("%d %s", gone.status, gone.body)
		}
		if _, ok := settingsEvent(p, audit.OrganizationChanged, "branding.logo"); !ok {
			t.Error("nothing is recorded of the logo")
		}
	})
}
