package console

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/wording"
)

// story is one state of a page, with sample data.
type story struct {
	name, template, path string
	page                 func(lang string) page.Page
}

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func frame(name string) page.Base {
	return page.Base{
		Name: "console-" + name, Title: "console." + name + ".title", UserID: "adele@contoso.com", BackTo: "/security-info",
		Brand: page.Brand{Name: "Contoso", Support: page.Support{Email: "helpdesk@contoso.example", Phone: "+62 21 555"}},
		Nav:   []page.NavItem{{Path: "/console", Title: "console.nav.overview"}, {Path: "/console/people", Title: "console.nav.people", Current: true}},
	}
}

// importReasons are why a row can be bad, each with its words.
var importReasons = strings.Fields("header syntax field-count too-long unknown-column column-twice missing type user-id domain user-id-twice text password " +
	"email email-own-domain phone phone-cost phone-not-mobile not-found method-limit rank password-kept")

// importStories are the states of the pages of importing people.
func importStories() []story {
	bulk := func(state account.BulkState) account.Bulk {
		return account.Bulk{ID: "i1", State: state, Format: account.CSV, Bytes: 1000, Rows: 1200, DoneRows: 300, Created: 1000, Updated: 150, Unchanged: 40, Methods: 800, CreatedAt: noon, ChangedAt: noon}
	}
	one := func(name string, b account.Bulk, bad []account.BadRow) story {
		return story{name, "console_imported", ImportPath + "/i1", func(string) page.Page {
			return &importedPage{Base: frame("imported"), Import: b, Bad: bad}
		}}
	}
	all := []story{
		{"import, never done before", "console_import", ImportPath, func(string) page.Page { return &importPage{Base: frame("import")} }},
		{"import of no known file", "console_import", ImportPath, func(lang string) page.Page {
			b := frame("import")
			b.Refuse(problem.New(problem.FileKind).On("file"), lang)
			return &importPage{Base: b}
		}},
		{"import while one is under way", "console_import", ImportPath, func(lang string) page.Page {
			v := &importPage{Base: frame("import"), Live: new(account.Bulk)}
			*v.Live = bulk(account.BulkApplying)
			v.Refuse(problem.New(problem.ImportLive), lang)
			for _, state := range account.BulkStates {
				v.Recent = append(v.Recent, bulk(state))
			}
			return v
		}},
	}
	for _, state := range account.BulkStates {
		all = append(all, one("import "+string(state), bulk(state), nil))
	}
	var bad []account.BadRow
	for i, reason := range importReasons {
		bad = append(bad, account.BadRow{Line: i + 2, Column: "user_id", Reason: reason})
	}
	few, many := bulk(account.BulkChecked), bulk(account.BulkChecked)
	few.Bad, many.Bad = len(bad), many.Rows
	refused := one("import with bad rows, not told to leave them out", few, bad)
	refused.page = func(lang string) page.Page {
		b := frame("imported")
		b.Refuse(problem.New(problem.BadRows).On("skip_bad"), lang)
		return &importedPage{Base: b, Import: few, Bad: bad}
	}
	return append(all, one("import with bad rows", few, bad), one("import of bad rows alone", many, bad), refused)
}

// peopleStories are the pages on which nobody is found: at all, or not yet.
func peopleStories() []story {
	one := func(name, next string) story {
		return story{name, "console_people", "/console/people", func(string) page.Page {
			return &peoplePage{Base: frame("people"), Shows: shows, Show: admin.ShowNotEnabled, List: admin.List{Next: next}}
		}}
	}
	return []story{one("people, nobody", ""), one("people, nobody yet", "m@contoso.com")}
}

// messageStories are the states of the pages of messages, for every message.
func messageStories(t *testing.T) []story {
	t.Helper()
	list := func(own bool) func(string) page.Page {
		return func(string) page.Page {
			v := &messagesPage{Base: frame("messages"), Days: 30}
			for i, state := range []notify.State{notify.Queued, notify.Sent, notify.Failed, notify.Expired} {
				v.Counts = append(v.Counts, messageCount{state, i * 1000})
			}
			for _, m := range wording.Messages() {
				line := messageLine{Name: m.Name}
				for _, lang := range i18n.Languages() {
					line.Texts = append(line.Texts, messageText{lang, own})
				}
				v.Groups = append(v.Groups, messageGroup{"desk", []messageLine{line}})
			}
			return v
		}
	}
	all := []story{{"messages", "console_messages", "/console/messages", list(false)}, {"messages of one's own", "console_messages", "/console/messages", list(true)}}
	for _, m := range wording.Messages() {
		text, err := notify.ProductText(m.Name, "id")
		if err != nil {
			t.Fatal(err)
		}
		edit := func(may, own bool) *messagePage {
			v := &messagePage{Base: frame("message-edit"), May: may, Own: own, Version: 7, Message: m, Text: text, Longest: wording.LongestText, Subject: wording.LongestSubject, Others: []string{"en"}}
			preview := messagePreview{"id", notify.Preview{Subject: text.Subject, Text: text.Text}}
			if m.Phone {
				preview.Segments = wording.Segments{Parts: 2, Places: 200, GSM: own}
			}
			v.Previews = []messagePreview{preview}
			return v
		}
		path := "/console/messages/" + m.Name + "/id"
		all = append(all,
			story{m.Name, "console_message_edit", path, func(string) page.Page { return edit(true, false) }},
			story{m.Name + " in one's own words", "console_message_edit", path, func(string) page.Page { return edit(true, true) }},
			story{m.Name + " to read only", "console_message_edit", path, func(string) page.Page { return edit(false, false) }},
			story{m.Name + " that is wrong", "console_message_edit", path, func(lang string) page.Page {
				v := edit(true, false)
				v.WrongSubject, v.WrongText = []string{"Terlalu panjang."}, []string{"Satu.", "Dua."}
				v.Refuse(problem.New(problem.DocumentWrong).On("text"), lang)
				return v
			}})
	}
	return all
}

var (
	tag    = regexp.MustCompile(`(?s)<[^>]*>`)
	rawKey = regexp.MustCompile(`\b(?:account|action|console|field|messages|page|problem)\.[a-z_]+[a-z_.-]*\b`)
)

// Every state of a page is written in every language, in sentences, with one thing
// to do first, and with what was refused said at its field.
func TestEveryStateSpeaksEveryLanguage(t *testing.T) {
	folder, err := Templates()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.NewRenderer(slog.New(slog.DiscardHandler), folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range i18n.Languages() {
		for _, s := range slices.Concat(importStories(), peopleStories(), messageStories(t)) {
			r := httptest.NewRequest("GET", s.path, nil)
			r = r.WithContext(page.WithRequest(r.Context(), lang, "supportcode1", "192.0.2.1"))
			w := httptest.NewRecorder()
			if err := pages.Write(w, r, 200, s.template, s.page(lang)); err != nil {
				t.Errorf("%s, %s: %v", lang, s.name, err)
				continue
			}
			body, err := io.ReadAll(w.Result().Body)
			if err != nil {
				t.Fatal(err)
			}
			text := tag.ReplaceAllString(string(body), " ")
			if key := rawKey.FindString(text); key != "" {
				t.Errorf("%s, %s: it shows the key %s", lang, s.name, key)
			}
			if strings.Contains(text, "<no value>") || strings.Contains(string(body), "ZgotmplZ") {
				t.Errorf("%s, %s: a value is missing", lang, s.name)
			}
			if n := strings.Count(string(body), `class="primary"`); n > 1 {
				t.Errorf("%s, %s: %d primary buttons", lang, s.name, n)
			}
			if strings.Contains(s.name, "that is wrong") && strings.Count(string(body), `aria-invalid="true"`) == 0 {
				t.Errorf("%s, %s: no field is marked", lang, s.name)
			}
			if nobody := i18n.For(lang).T("console.people.none"); strings.Contains(string(body), nobody) != (s.name == "people, nobody") {
				t.Errorf("%s, %s: whether anybody matches is said wrongly", lang, s.name)
			}
			if strings.Contains(s.name, "to read only") && strings.Contains(string(body), `name="action"`) {
				t.Errorf("%s, %s: it can be changed", lang, s.name)
			}
		}
	}
}
