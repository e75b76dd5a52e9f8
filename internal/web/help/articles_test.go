package help

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/web/page"
)

var (
	elements = strings.Fields("h2 p ul ol li a strong")
	places   = strings.Fields("/reset /reset?reason=locked /reset?reason=never_received /signin /password /security-info /unsupported-browser")
	contoso  = reader{Org: "Contoso & Söhne", Support: page.Support{Email: "helpdesk@contoso.example", Phone: "+62 21 555", URL: "https://help.contoso.example"}, query: "?org=contoso"}
)

// shape is what an article is made of: its headings and items by number, and its links in order.
type shape struct {
	counts map[string]int
	links  []string
}

// read parses a rendered article and reports what it may not hold.
func read(t *testing.T, body string) shape {
	t.Helper()
	s := shape{counts: make(map[string]int)}
	for z := html.NewTokenizer(strings.NewReader(body)); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			return s
		}
		if kind == html.CommentToken || kind == html.DoctypeToken {
			t.Error("an article holds no comments")
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		token := z.Token()
		if !slices.Contains(elements, token.Data) {
			t.Errorf("an article holds no <%s>", token.Data)
		}
		s.counts[token.Data]++
		for _, a := range token.Attr {
			switch a.Key {
			case "class":
				if a.Val != "button primary" {
					t.Errorf("class %q", a.Val)
				}
			case "rel":
			case "href":
				s.links = append(s.links, a.Val)
			default:
				t.Errorf("<%s %s>", token.Data, a.Key)
			}
		}
	}
}

func TestArticlesAreWellMadeInEveryLanguage(t *testing.T) {
	l, err := openLibrary()
	if err != nil {
		t.Fatal(err)
	}
	nobody := reader{Org: "your organization"}
	for _, s := range sections {
		for _, article := range s.Articles {
			var first shape
			for _, lang := range i18n.Languages() {
				t.Run(lang+" "+article, func(t *testing.T) {
					if !i18n.For(lang).Has("help." + article + ".title") {
						t.Error("it has no heading")
					}
					for _, to := range []reader{contoso, nobody} {
						body, err := l.body(lang, article, to)
						if err != nil {
							t.Fatal(err)
						}
						text := string(body)
						got := read(t, text)
						if strings.Contains(text, "{{") || strings.Contains(text, "ZgotmplZ") || strings.Contains(text, "& S") {
							t.Errorf("it is not written out:\n%s", text)
						}
						for _, link := range got.links {
							checkLink(t, link, to)
						}
						if to.query == "" {
							continue
						}
						if first.counts == nil {
							first = got
						}
						if fmt.Sprint(got) != fmt.Sprint(first) {
							t.Errorf("the languages differ:\n%v\n%v", got, first)
						}
					}
				})
			}
		}
	}
}

// checkLink wants one of our own pages, or the organization's contact.
func checkLink(t *testing.T, link string, to reader) {
	t.Helper()
	if slices.Contains(places, link) || to.Support.Any() && (link == to.Support.URL || link == "mailto:"+to.Support.Email) {
		return
	}
	article, query, _ := strings.Cut(link, "?")
	article, ours := strings.CutPrefix(article, "/help/")
	if !ours || !known(article) || strings.TrimPrefix(to.query, "?") != query {
		t.Errorf("a link to %s", link)
	}
}

// A file that no list names would be read by nobody.
func TestEveryFileIsListed(t *testing.T) {
	for _, lang := range i18n.Languages() {
		entries, err := fs.ReadDir(files, "articles/"+lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := strings.TrimSuffix(e.Name(), path.Ext(e.Name()))
			if !strings.HasPrefix(name, "part_") && !known(name) {
				t.Errorf("%s/%s is in no section", lang, e.Name())
			}
		}
	}
	for _, s := range sections {
		for _, lang := range i18n.Languages() {
			if !i18n.For(lang).Has("help.section." + s.Name) {
				t.Errorf("%s: the section %s has no heading", lang, s.Name)
			}
		}
	}
}

// The help link of every page leads to an article that exists.
func TestPagesLeadToArticles(t *testing.T) {
	for of, article := range page.HelpArticles() {
		if !known(article) {
			t.Errorf("the page %s leads to %s", of, article)
		}
	}
}
