package page

import (
	"bytes"
	"net/http"
	"strconv"

	"kunci.dev/kunci/internal/i18n"
)

// Write renders a page into memory and answers with it: a template that fails
// leaves no half page behind.
func (r *Renderer) Write(w http.ResponseWriter, req *http.Request, status int, template string, p Page) error {
	r.complete(req, p.base())
	text, err := r.render(template, p)
	if err != nil {
		return err
	}
	return send(w, status, p.base().Lang(), text)
}

// standIn stands for the support code in a page that is kept.
const standIn = "support-code-here"

// sameText is a page without the support code that stands between its parts.
type sameText struct {
	version       string
	before, after []byte
}

// WriteSame is Write, with status 200, for a page that shows everybody the same who
// reads one language, as long as the version is the same and the address has no
// query: it is rendered once. The support code is each reader's own.
func (r *Renderer) WriteSame(w http.ResponseWriter, req *http.Request, template, version string, p Page) error {
	b := p.base()
	r.complete(req, b)
	key := template + " " + b.Lang()
	if kept, ok := r.same.Load(key); ok && kept.(sameText).version == version {
		return send(w, http.StatusOK, b.Lang(), kept.(sameText).before, []byte(b.support), kept.(sameText).after)
	}
	code := b.support
	b.support = standIn
	text, err := r.render(template, p)
	if err != nil {
		return err
	}
	before, after, found := bytes.Cut(text, []byte(standIn))
	if !found {
		return send(w, http.StatusOK, b.Lang(), text)
	}
	r.same.Store(key, sameText{version, before, after})
	return send(w, http.StatusOK, b.Lang(), before, []byte(code), after)
}

func (r *Renderer) render(template string, p Page) ([]byte, error) {
	t, err := r.Template(template)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.ExecuteTemplate(&out, "layout", p)
	return out.Bytes(), err
}

// send answers with a page in a language.
func send(w http.ResponseWriter, status int, language string, parts ...[]byte) error {
	h, length := w.Header(), 0
	for _, part := range parts {
		length += len(part)
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", language)
	h.Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(status)
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func (r *Renderer) complete(req *http.Request, b *Base) {
	b.printer = i18n.For(Lang(req)).In(b.Brand.Zone)
	b.path, b.query = req.URL.Path, req.URL.Query()
	b.support = Correlation(req)
	if b.Brand.Name == "" {
		b.Brand.Name = "Kunci"
	}
}
