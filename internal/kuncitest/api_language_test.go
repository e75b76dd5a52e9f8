package kuncitest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/org"
)

// sentences are what an answer says to people.
func sentences(a answer, graph bool) (detail string, errors []string) {
	var p struct {
		Detail string
		Errors []struct{ Message string }
		Error  struct{ Message string }
	}
	_ = json.Unmarshal([]byte(a.body), &p) // an answer that is no problem says nothing
	for _, one := range p.Errors {
		errors = append(errors, one.Message)
	}
	if graph {
		return p.Error.Message, errors
	}
	return p.Detail, errors
}

// Every operation refuses in the language that is asked for, and says which it is: in
// front of it, by the library and in the operation itself.
func TestEveryOperationSpeaksTheLanguageThatIsAskedFor(t *testing.T) {
	t.Parallel()
	s := startSurface(t)
	asked := map[string]string{"id": "fr, id;q=0.8, en;q=0.5", "en": "en-GB, id;q=0.4"}
	said := func(what, lang, code string, got answer) {
		t.Helper()
		detail, errors := sentences(got, strings.Contains(what, "/graph/v1.0/"))
		words := i18n.For(lang)
		key := "problem." + code
		if own := "api." + key; words.Has(own) {
			key = own
		}
		if got.header.Get("Content-Language") != lang || len(got.header.Values("Content-Language")) != 1 || detail != words.T(key) {
			t.Errorf("%s in %s: %q %q", what, lang, got.header.Values("Content-Language"), detail)
		}
		for _, one := range errors {
			if one != words.T("fault.parameter_unknown") && one != words.T("fault.missing_here") && one != words.T("fault.if_match") {
				t.Errorf("%s in %s: %q", what, lang, one)
			}
		}
	}
	for i, o := range s.p.App.API.Operations() {
		if i%40 == 0 {
			s.again()
		}
		path := s.ids.Replace(o.Path)
		may, not := s.keyWith(o.Needs, true)[0], s.keyWith(o.Needs, false)[0]
		for lang, header := range asked {
			what := o.Method + " " + path
			said(what, lang, "forbidden", s.ask(o.Method, path, not, "", "Accept-Language", header))
			said(what, lang, "signed-out", s.ask(o.Method, path, "", "", "Accept-Language", header))
			said(what, lang, "bad-input", s.ask(o.Method, path+"?nobody=1", may, "", "Accept-Language", header))
		}
	}
	s.again()
	owner := s.keys[org.Owner]
	for lang, header := range asked {
		said("nobody", lang, "not-found", s.ask(http.MethodGet, api+"/people/nobody", owner, "", "Accept-Language", header))
		said("no operation", lang, "not-found", s.ask(http.MethodGet, api+"/nothing", owner, "", "Accept-Language", header))
		said("no method", lang, "wrong-method", s.ask(http.MethodPut, api+"/people", owner, "", "Accept-Language", header))
	}
	said("nobody asks", "en", "not-found", s.ask(http.MethodGet, api+"/people/nobody", owner, ""))
	said("a language we do not have", "en", "not-found", s.ask(http.MethodGet, api+"/people/nobody", owner, "", "Accept-Language", "fr-CA"))
	// What is told of one person and what is wrong with a document are sentences, too;
	// a number has the comma that Indonesian has.
	rule := func(header string) string {
		var p struct{ Rules []struct{ Text string } }
		got := s.ask(http.MethodGet, s.ids.Replace(api+"/people/{id}"), owner, "", "Accept-Language", header)
		if err := json.Unmarshal([]byte(got.body), &p); err != nil || len(p.Rules) == 0 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return p.Rules[0].Text
	}
	if id, en := rule("id"), rule("en"); id == "" || id == en {
		t.Errorf("a rule is %q in Indonesian and %q in English", id, en)
	}
	for header, ratio := range map[string]string{"id": "1,3:1", "en": "1.3:1"} {
		got := s.ask(http.MethodPut, api+"/branding", owner, `{"name":"Contoso","color":"#ffcc00"}`, append(s.version(), "Accept-Language", header)...)
		if _, errors := sentences(got, false); !strings.Contains(strings.Join(errors, " "), ratio) {
			t.Errorf("%s: %v", header, errors)
		}
	}
	got := s.ask(http.MethodPost, api+"/people/find", owner, `{"user_id":"","nobody":1}`, "Accept-Language", "id")
	if _, errors := sentences(got, false); len(errors) != 2 || !strings.Contains(got.body, "terlalu pendek; paling sedikit 1 karakter") || !strings.Contains(got.body, "nama ini tidak dikenal") {
		t.Errorf("%d %s", got.status, got.body)
	}
}
