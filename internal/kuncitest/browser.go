package kuncitest

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Browser is a browser without scripts: it keeps cookies, follows redirects
// after a form, and sends the headers that real browsers add to a form's POST.
type Browser struct {
	t      testing.TB
	base   *url.URL
	client *http.Client
	// Header is added to every request, for example Accept-Language.
	Header http.Header
	// heard takes down every answer; nil: nobody does.
	heard *Log
}

// NewBrowser gives a browser with no cookies, for the server at base.
func NewBrowser(t testing.TB, base string) *Browser {
	t.Helper()
	parsed, err := url.Parse(base)
	if err != nil {
		t.Fatalf("base address %q: %v", base, err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &Browser{t: t, base: parsed, client: &http.Client{Jar: jar, Transport: transport}, Header: make(http.Header)}
}

// WithoutCookies forgets every cookie and refuses new ones.
func (b *Browser) WithoutCookies() *Browser {
	b.client.Jar = nil
	return b
}

// StayingPut has the browser show a redirect instead of following it.
func (b *Browser) StayingPut() *Browser {
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// Cookies are the ones the browser would send to the server now.
func (b *Browser) Cookies() []*http.Cookie {
	if b.client.Jar == nil {
		return nil
	}
	return b.client.Jar.Cookies(b.base)
}

// SetCookie gives the browser a cookie that it did not get from the server.
func (b *Browser) SetCookie(name, value string) {
	b.client.Jar.SetCookies(b.base, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// Clone is another window of the same browser as it is now: same cookies, apart from then on.
func (b *Browser) Clone() *Browser {
	other := NewBrowser(b.t, b.base.String())
	other.client.Jar.SetCookies(b.base, b.Cookies())
	other.Header, other.heard = b.Header.Clone(), b.heard
	return other
}

// Get opens a page, following redirects.
func (b *Browser) Get(path string) *Page {
	b.t.Helper()
	return b.do(http.MethodGet, path, nil)
}

// Post sends a form to a path and follows the redirect it answers with.
// Fields are name, value pairs.
func (b *Browser) Post(path string, fields ...string) *Page {
	b.t.Helper()
	if len(fields)%2 != 0 {
		b.t.Fatalf("fields of a form come in pairs, got %d", len(fields))
	}
	values := make(url.Values)
	for i := 0; i < len(fields); i += 2 {
		values.Add(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, path, values)
}

// Upload sends a form with a file, as a page with a field for one does; an empty
// field sends no file.
func (b *Browser) Upload(path, field, name, file string, fields ...string) *Page {
	b.t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for i := 0; i+1 < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			b.t.Fatal(err)
		}
	}
	if field != "" {
		part, err := w.CreateFormFile(field, name)
		if err != nil {
			b.t.Fatal(err)
		}
		_, _ = io.WriteString(part, file) // into memory
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	page, err := b.send(http.MethodPost, path, w.FormDataContentType(), &form)
	if err != nil {
		b.t.Fatalf("POST %s: %v", path, err)
	}
	return page
}

func (b *Browser) do(method, path string, form url.Values) *Page {
	b.t.Helper()
	page, err := b.Do(method, path, form)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return page
}

// Do is Get and Post for tests that run many at once: it gives the error
// instead of ending the test, as only the test's own goroutine may.
func (b *Browser) Do(method, path string, form url.Values) (*Page, error) {
	if form == nil {
		return b.send(method, path, "", nil)
	}
	return b.send(method, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// send asks for a page; the body of a form has its media type.
func (b *Browser) send(method, path, kind string, body io.Reader) (*Page, error) {
	target, err := b.base.Parse(path)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(method, target.String(), body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0 Mobile Safari/537.36")
	for name, values := range b.Header {
		request.Header[name] = values
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
		request.Header.Set("Origin", b.base.Scheme+"://"+b.base.Host)
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	response, err := b.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	if err != nil {
		return nil, err
	}
	if b.heard != nil {
		_ = response.Header.Write(b.heard) // a log in memory takes everything
		_, _ = b.heard.Write(data)
	}
	page := &Page{t: b.t, Status: response.StatusCode, Path: response.Request.URL.Path, Header: response.Header, Body: string(data)}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
		if page.doc, err = html.Parse(bytes.NewReader(data)); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// Page is an answer as a person sees it.
type Page struct {
	t      testing.TB
	Status int
	Path   string
	Header http.Header
	Body   string
	doc    *html.Node
}

// Name is the page's data-page.
func (p *Page) Name() string { return p.mainAttribute("data-page") }

// Problem is the dead end's data-problem, empty on other pages.
func (p *Page) Problem() string { return p.mainAttribute("data-problem") }

func (p *Page) mainAttribute(name string) string {
	if found := p.Find(func(n *html.Node) bool { return Attribute(n, "data-page") != "" }); len(found) > 0 {
		return Attribute(found[0], name)
	}
	return ""
}

// Alert is the code of the first problem shown in the page, empty when there is none.
func (p *Page) Alert() string {
	found := p.Find(func(n *html.Node) bool { return Attribute(n, "role") == "alert" && Attribute(n, "data-error") != "" })
	if len(found) == 0 {
		return ""
	}
	return Attribute(found[0], "data-error")
}

// Want ends the test unless the page is the named one with this status.
func (p *Page) Want(status int, name string) *Page {
	p.t.Helper()
	if p.Status != status || p.Name() != name {
		p.t.Fatalf("got %d %q (alert %q, problem %q) at %s, want %d %q\n%s",
			p.Status, p.Name(), p.Alert(), p.Problem(), p.Path, status, name, p.Text())
	}
	return p
}

// Find gives the elements for which match says yes, in document order.
func (p *Page) Find(match func(*html.Node) bool) []*html.Node {
	var found []*html.Node
	if p.doc == nil {
		return nil
	}
	for n := range p.doc.Descendants() {
		if n.Type == html.ElementNode && match(n) {
			found = append(found, n)
		}
	}
	return found
}

// Field gives the value a form field holds, and whether the field is there.
func (p *Page) Field(name string) (string, bool) {
	found := p.Find(func(n *html.Node) bool {
		return (n.Data == "input" || n.Data == "textarea" || n.Data == "select") && Attribute(n, "name") == name
	})
	if len(found) == 0 {
		return "", false
	}
	if found[0].Data == "textarea" {
		return text(found[0]), true
	}
	return Attribute(found[0], "value"), true
}

// Form gives what a browser sends of the form with this id, as it stands: boxes
// that are ticked, options that are chosen, and texts; without its buttons.
func (p *Page) Form(id string) map[string]string {
	sent := make(map[string]string)
	for _, form := range p.Find(func(n *html.Node) bool { return n.Data == "form" && Attribute(n, "id") == id }) {
		for n := range form.Descendants() {
			name := Attribute(n, "name")
			if n.Type != html.ElementNode || name == "" {
				continue
			}
			switch n.Data {
			case "input":
				box := Attribute(n, "type") == "checkbox" || Attribute(n, "type") == "radio"
				if !box || has(n, "checked") {
					sent[name] = Attribute(n, "value")
				}
			case "textarea":
				sent[name] = strings.TrimSuffix(text(n), " ")
			case "select":
				for option := range n.Descendants() {
					if option.Data == "option" && has(option, "selected") {
						sent[name] = Attribute(option, "value")
					}
				}
			}
		}
	}
	return sent
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// Choices gives the values of every radio button or button with this name.
func (p *Page) Choices(name string) []string {
	var values []string
	for _, n := range p.Find(func(n *html.Node) bool {
		return (n.Data == "input" || n.Data == "button" || n.Data == "option") && Attribute(n, "name") == name
	}) {
		values = append(values, Attribute(n, "value"))
	}
	return values
}

// Has tells whether a link with this address is in the page.
func (p *Page) Has(href string) bool {
	return len(p.Find(func(n *html.Node) bool {
		target := Attribute(n, "href")
		return n.Data == "a" && (target == href || strings.HasPrefix(target, href+"?"))
	})) > 0
}

// Links gives the addresses of links that begin with a prefix, in document order.
func (p *Page) Links(prefix string) []string {
	var all []string
	for _, n := range p.Find(func(n *html.Node) bool { return n.Data == "a" && strings.HasPrefix(Attribute(n, "href"), prefix) }) {
		all = append(all, Attribute(n, "href"))
	}
	return all
}

// Text is what can be read in the page, without tags.
func (p *Page) Text() string {
	found := p.Find(func(n *html.Node) bool { return n.Data == "body" })
	if len(found) == 0 {
		return p.Body
	}
	return strings.Join(strings.Fields(text(found[0])), " ")
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && (d.Parent == nil || (d.Parent.Data != "script" && d.Parent.Data != "style")) {
			b.WriteString(d.Data)
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Attribute is the value of an element's attribute, empty when it has none.
func Attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
