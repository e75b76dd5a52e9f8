package console

import (
	"cmp"
	"errors"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/contrast"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

// BrandingPath is the page that takes a logo.
const BrandingPath = "/console/settings/branding"

// What the page of branding is asked for.
const (
	previewBranding = "preview_branding"
	saveBranding    = "save_branding"
)

type brandingPage struct {
	page.Base
	Version int64
	Look    org.Appearance
	Now     time.Time // what a clock shows in the zone that was typed
	Texts   []languageText
	// Logo is the picture as an address of its own, which needs no request.
	Logo   template.URL
	Kept   string // the logo once more, where it is not saved yet
	Remove bool
	// Light and Dark are the contrasts of the colors that people see.
	Light, Dark float64
	Sample      string // address of the style sheet of the samples
	Previewed   bool
	LongestText int
	LogoKiB     int
	wrong       map[string][]string
}

// languageText is a text in one language.
type languageText struct{ Language, Text string }

// Wrong gives what is wrong with a field, in words.
func (v *brandingPage) Wrong(key string) []string { return v.wrong[key] }

// fields are the keys that have a place of their own on the page.
var fields = strings.Fields("name language time_zone branding.color branding.color_dark branding.logo support.email support.phone support.url support.text links.help links.privacy")

// Elsewhere gives what is wrong with what stands on no field of the page: a message
// may name a contact that was emptied.
func (v *brandingPage) Elsewhere() (all []string) {
	for _, key := range slices.Sorted(maps.Keys(v.wrong)) {
		if !slices.Contains(fields, key) {
			all = append(all, v.wrong[key]...)
		}
	}
	return all
}

// sample is the card of signing in as people would see it.
type sample struct {
	Scheme, Title, Name          string
	Logo                         template.URL
	Heading, Label, Button, Link string
}

// SampleOf is the sample on light or dark pages.
func (v *brandingPage) SampleOf(scheme string) sample {
	return sample{
		Scheme: scheme, Title: v.T("console.branding.sample." + scheme), Name: v.Look.Name, Logo: v.Logo,
		Heading: v.T("signin.title"), Label: v.T("field.user_id"), Button: v.T("action.next"), Link: v.T("signin.forgot"),
	}
}

func (c *Console) brandingPage(r *http.Request, d desk) *brandingPage {
	return &brandingPage{
		Base: d.base(r, "branding", "settings"), Version: d.Org.Version, LongestText: org.LongestSupport, LogoKiB: org.MaxLogo >> 10,
		Now:   c.DB.Now(),
		wrong: make(map[string][]string),
	}
}

// show fills in what follows from the appearance.
func (v *brandingPage) show(look org.Appearance) {
	v.Look, v.Texts, v.Logo, v.Brand.Zone = look, nil, "", look.TimeZone
	for _, lang := range i18n.Languages() {
		text := look.Support.Text[lang]
		if text == "" {
			text = look.Support.Text[""]
		}
		v.Texts = append(v.Texts, languageText{lang, text})
	}
	if len(look.Branding.Logo) > 0 {
		v.Logo = template.URL(look.Branding.LogoURL()) //nolint:gosec // a picture that was judged, in base64
	}
	if s, ok := contrast.ShadesOf(look.Branding.Color, look.Branding.ColorDark); ok {
		v.Light, v.Dark = contrast.Ratio(s.OnLight), contrast.Ratio(s.OnDark)
		query := url.Values{"light": {strings.TrimPrefix(look.Branding.Color, "#")}, "dark": {strings.TrimPrefix(look.Branding.ColorDark, "#")}}
		v.Sample = BrandingPath + "/sample.css?" + query.Encode()
	}
	// The samples say the name as it is typed, the page what is stored.
	if v.Look.Name == "" {
		v.Look.Name = v.Brand.Name
	}
}

func (c *Console) getBranding(w http.ResponseWriter, r *http.Request, d desk) error {
	view := c.brandingPage(r, d)
	view.show(d.Org.Appearance())
	return c.writeBranding(w, r, http.StatusOK, view)
}

// writeBranding lets the page have the style sheet of its samples beside its own.
func (c *Console) writeBranding(w http.ResponseWriter, r *http.Request, status int, view *brandingPage) error {
	view.Brand.Style = view.Sample
	return c.Pages.Write(w, r, status, "console_branding", view)
}

func (c *Console) postBranding(w http.ResponseWriter, r *http.Request, d desk) error {
	view := c.brandingPage(r, d)
	form, file, err := page.ReadUpload(r, "logo", org.MaxLogo)
	if problem.Has(err, problem.TooLong) {
		view.show(d.Org.Appearance())
		return c.refuseBranding(w, r, d, view, err)
	}
	if err != nil {
		return err
	}
	if view.Version, err = strconv.ParseInt(form["version"], 10, 64); err != nil {
		return problem.New(problem.BadInput).On("version")
	}
	look, err := view.read(form, file, d.Org)
	view.show(look)
	if err == nil {
		err = c.changeBranding(r, d, view, form["action"])
	}
	if err == nil && form["action"] == saveBranding {
		return page.See(w, r, BrandingPath+"?"+url.Values{"done": {saveBranding}}.Encode())
	}
	if err == nil {
		view.Previewed = true
		return c.writeBranding(w, r, http.StatusOK, view)
	}
	return c.refuseBranding(w, r, d, view, err)
}

func (c *Console) refuseBranding(w http.ResponseWriter, r *http.Request, d desk, view *brandingPage, err error) error {
	var faults config.Faults
	if errors.As(err, &faults) {
		first := ""
		for _, f := range faults {
			view.wrong[f.Key] = append(view.wrong[f.Key], f.In(i18n.For(page.Lang(r))))
			if first == "" {
				first = f.Key
			}
		}
		view.Previewed = true // what is shown is what was typed
		err = problem.New(problem.DocumentWrong).On(first)
	}
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		view.Version = d.Org.Version // what was typed stays, to be compared with what is there now
		view.Brand.Style = view.Sample
		return c.refuse(w, r, "console_branding", view, &view.Base, refusal)
	}
	return err
}

// read makes the fields an appearance. A logo that cannot be used leaves the one there is.
func (v *brandingPage) read(form page.Form, file []byte, o *org.Organization) (org.Appearance, error) {
	field := func(name string) string { return strings.TrimSpace(form[name]) }
	look := org.Appearance{
		Name:     field("name"),
		Language: cmp.Or(field("language"), o.Language),
		TimeZone: field("time_zone"),
		Branding: org.Branding{Logo: o.Branding.Logo, LogoType: o.Branding.LogoType, Color: color(field("color")), ColorDark: color(field("color_dark"))},
		Support:  org.Support{Email: field("email"), URL: field("url"), Phone: field("phone"), Text: supportText(form)},
		Links:    org.Links{Privacy: field("privacy"), Help: field("help")},
	}
	sent := file
	if kept := form[page.Kept("logo")]; sent == nil && kept != "" {
		picture, err := org.PictureIn(kept)
		if err != nil {
			return look, err
		}
		sent = picture
	}
	v.Remove = form["remove_logo"] != ""
	switch {
	case v.Remove:
		look.Branding.Logo, look.Branding.LogoType = nil, ""
	case sent != nil:
		clean, err := org.CleanLogo(sent)
		if err != nil {
			return look, err
		}
		look.Branding.Logo, look.Branding.LogoType = clean.Logo, clean.LogoType
		v.Kept = look.Branding.LogoURL()
	}
	return look, nil
}

// color lets people leave the # out.
func color(typed string) string {
	if typed != "" && !strings.HasPrefix(typed, "#") {
		typed = "#" + typed
	}
	return strings.ToLower(typed)
}

// supportText is one text for everybody where every language says the same.
func supportText(form page.Form) config.Texts {
	texts, same := config.Texts{}, ""
	for i, lang := range i18n.Languages() {
		text := strings.TrimSpace(form["text_"+lang])
		if text != "" {
			texts[lang] = text
		}
		if i == 0 {
			same = text
		} else if same != text {
			same = ""
		}
	}
	switch {
	case same != "":
		return config.Texts{"": same}
	case len(texts) == 0:
		return nil
	}
	return texts
}

func (c *Console) changeBranding(r *http.Request, d desk, view *brandingPage, action string) error {
	ctx := r.Context()
	switch action {
	case previewBranding:
		if faults := d.Org.CheckAppearance(view.Look); len(faults) > 0 {
			return faults
		}
		return nil
	case saveBranding:
		return c.DB.Write(ctx, func(tx *store.Tx) error {
			return c.Orgs.SetAppearance(ctx, tx, d.as.By, d.Org.ID, view.Version, func(look *org.Appearance) {
				logo, kind := look.Branding.Logo, look.Branding.LogoType
				*look = view.Look
				if view.Kept == "" && !view.Remove {
					look.Branding.Logo, look.Branding.LogoType = logo, kind
				}
			})
		})
	}
	return problem.New(problem.BadInput).On("action")
}

// getSample serves the colors of the samples as a file: pages may hold no style.
func (c *Console) getSample(w http.ResponseWriter, r *http.Request, _ desk) error {
	hash := func(name string) string {
		if typed := r.URL.Query().Get(name); typed != "" {
			return "#" + typed
		}
		return ""
	}
	css := contrast.Samples(hash("light"), hash("dark"))
	if css == "" {
		return problem.New(problem.NotFound)
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write([]byte(css)) // the client may be gone
	return nil
}
