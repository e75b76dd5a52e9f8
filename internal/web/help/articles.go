package help

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"slices"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/web/page"
)

//go:embed articles
var files embed.FS

// section is a part of the list.
type section struct {
	Name     string
	Articles []string
}

// sections are every article, in the order of the list.
var sections = []section{
	{"back-in", []string{"forgot-password", "first-password", "locked-account", "code-missing", "new-phone"}},
	{"page-says", []string{"not-verified", "not-enabled", "not-managed", "blocked", "expired", "cookies", "update-browser", "try-later"}},
	{"proving", []string{"methods", "passkeys", "authenticator-app", "devices", "hardware-tokens", "recovery-codes", "email", "phones", "security-questions", "temporary-access-pass"}},
	{"safety", []string{"codes", "not-me", "privacy", "own-data"}},
}

func known(article string) bool {
	return slices.ContainsFunc(sections, func(s section) bool { return slices.Contains(s.Articles, article) })
}

// reader is what an article may name.
type reader struct {
	Org     string // the organization, or "your organization"
	Support page.Support
	query   string
}

// To is the address of another article, for the same organization.
func (r reader) To(article string) string { return address(article, r.query) }

func address(article, query string) string {
	if article == "" {
		return page.HelpRoot + query
	}
	return page.HelpRoot + "/" + article + query
}

// library holds every article, parsed, by language and name.
type library map[string]map[string]*template.Template

func openLibrary() (library, error) {
	all := make(library)
	for _, lang := range i18n.Languages() {
		all[lang] = make(map[string]*template.Template)
		for _, s := range sections {
			for _, article := range s.Articles {
				parsed, err := template.ParseFS(files, "articles/"+lang+"/"+article+".html", "articles/"+lang+"/part_*.html")
				if err != nil {
					return nil, fmt.Errorf("help: %w", err)
				}
				all[lang][article] = parsed
			}
		}
	}
	return all, nil
}

// body is an article for a reader. The template has escaped what it put in.
func (l library) body(lang, article string, to reader) (template.HTML, error) {
	var out bytes.Buffer
	if err := l[lang][article].Execute(&out, to); err != nil {
		return "", fmt.Errorf("help: %s in %s: %w", article, lang, err)
	}
	return template.HTML(out.String()), nil //nolint:gosec // what html/template has just escaped
}
