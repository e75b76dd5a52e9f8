package wording_test

import (
	"fmt"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/wording"
)

func TestWhatAPageMaySay(t *testing.T) {
	for text, wrong := range map[string]string{
		"Datang ke {{org}}, **lantai 2**.\n\n- Senin\n- Selasa": "", "{{support_url}} {{support_email}} {{support_phone}}": "",
		"ab": "message_length", strings.Repeat("a", 1501): "message_length", "Baca https://evil.example/": "page_address", "evil.example": "page_address",
		"Halo {{code}}": "message_variable", "Halo {{org": "message_brackets", "Halo\u202emoc": "message_characters",
	} {
		var codes []string
		for _, f := range (wording.PageText{Page: "help", Language: "id", Text: text}).Check() {
			codes = append(codes, f.Code)
		}
		if got := strings.Join(codes, " "); got != wrong {
			t.Errorf("%q: %s, want %s", text, got, wrong)
		}
	}
	if f := (wording.PageText{Page: "signin", Language: "xx", Text: "Halo"}).Check(); len(f) != 2 {
		t.Errorf("an unknown page and language: %v", f)
	}
}

func TestMarksOfAPage(t *testing.T) {
	got := fmt.Sprint(wording.PageText{Text: "One\ntwo **three {{org}}** <b>x</b>\n- a\n- b\n\n- c\n** d"}.Blocks())
	want := "[{false [[{One two  false } {three  true } { true org} { <b>x</b> false }]]} {true [[{a false }] [{b false }]]} {true [[{c false }]]} {false [[{** d false }]]}]"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestThePlacesHaveATextOfTheProduct(t *testing.T) {
	for _, page := range wording.Pages() {
		for _, lang := range i18n.Languages() {
			text := wording.PageText{Page: page, Language: lang, Text: wording.ProductPage(page, lang)}
			if faults := text.Check(); len(faults) > 0 {
				t.Errorf("%s in %s: %v: %s", page, lang, faults, text.Text)
			}
		}
	}
}
