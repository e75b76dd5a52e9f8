package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/wording"
)

type messagesPage struct {
	page.Base
	Days   int
	Counts []messageCount
	Lost   []notify.Undelivered // the newest
	Groups []messageGroup
}

// shownLost is how many messages that did not arrive the page shows.
const shownLost = 20

type messageCount struct {
	State notify.State
	N     int
}

type messageGroup struct {
	Name     string
	Messages []messageLine
}

type messageLine struct {
	Name  string
	Texts []messageText
}

type messageText struct {
	Language string
	Own      bool
}

func (c *Console) getMessages(w http.ResponseWriter, r *http.Request, d desk) error {
	view := &messagesPage{Base: d.base(r, "messages", "messages"), Days: 30}
	for _, m := range wording.Messages() {
		group, _, grouped := strings.Cut(m.Name, ".")
		if !grouped {
			group = "desk"
		}
		line := messageLine{Name: m.Name}
		for _, lang := range i18n.Languages() {
			_, own := d.Org.TextOf(m.Name, lang)
			line.Texts = append(line.Texts, messageText{lang, own})
		}
		i := slices.IndexFunc(view.Groups, func(g messageGroup) bool { return g.Name == group })
		if i < 0 {
			view.Groups, i = append(view.Groups, messageGroup{Name: group}), len(view.Groups)
		}
		view.Groups[i].Messages = append(view.Groups[i].Messages, line)
	}
	err := c.DB.Read(r.Context(), func(tx *store.Tx) error {
		counts, err := c.Notify.CountFor(r.Context(), tx, d.Org.ID, tx.Now().AddDate(0, 0, -view.Days))
		for _, state := range []notify.State{notify.Queued, notify.Sent, notify.Failed, notify.Expired} {
			view.Counts = append(view.Counts, messageCount{state, counts[state]})
		}
		if err != nil {
			return err
		}
		view.Lost, err = c.Notify.Undelivered(r.Context(), tx, d.Org.ID, tx.Now().AddDate(0, 0, -view.Days), shownLost)
		return err
	})
	if err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_messages", view)
}

type messagePage struct {
	page.Base
	May     bool
	Version int64
	Message wording.Message
	Text    wording.Text
	Own     bool // the organization's own text is in use
	Longest int
	Subject int // the longest subject
	// What is wrong with the subject and the text, in words.
	WrongSubject, WrongText []string
	Previews                []messagePreview
	Others                  []string // the other languages
}

type messagePreview struct {
	Language string
	notify.Preview
}

// messagePage is a message in a language as it is stored.
func (c *Console) messagePage(r *http.Request, d desk) (*messagePage, error) {
	m, ok := wording.Find(r.PathValue("name"))
	lang := r.PathValue("language")
	if !ok || !i18n.Known(lang) {
		return nil, problem.New(problem.NotFound)
	}
	view := &messagePage{
		Base: d.base(r, "message-edit", "messages"), May: d.as.May(admin.ChangeMessages), Version: d.Org.Version, Message: m,
		Longest: wording.LongestText, Subject: wording.LongestSubject,
	}
	if m.Phone {
		view.Longest = wording.LongestPhone
	}
	for _, other := range i18n.Languages() {
		if other != lang {
			view.Others = append(view.Others, other)
		}
	}
	var err error
	if view.Text, view.Own = d.Org.TextOf(m.Name, lang); !view.Own {
		view.Text, err = notify.ProductText(m.Name, lang)
	}
	return view, err
}

// preview writes the message in every language, the page's first: in that one
// with what was typed.
func (c *Console) preview(view *messagePage, d desk, typed *wording.Text) error {
	for _, lang := range append([]string{view.Text.Language}, view.Others...) {
		var text *wording.Text
		if lang == view.Text.Language {
			text = typed
		}
		p, err := c.Notify.Preview(d.Org, view.Message.Name, lang, text, c.DB.Now())
		if faults := (config.Faults{}); errors.As(err, &faults) {
			continue // a stored text that this version refuses: the product's goes out, and the page that changes it says so
		}
		if err != nil {
			return err
		}
		view.Previews = append(view.Previews, messagePreview{lang, p})
	}
	return nil
}

func (c *Console) getMessage(w http.ResponseWriter, r *http.Request, d desk) error {
	view, err := c.messagePage(r, d)
	if err != nil {
		return err
	}
	if err := c.preview(view, d, nil); err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_message_edit", view)
}

// What a message's page is asked for.
const (
	previewMessage = "preview_message"
	saveMessage    = "save_message"
	resetMessage   = "reset_message"
	testMessage    = "test_message"
)

func (c *Console) postMessage(w http.ResponseWriter, r *http.Request, d desk) error {
	view, err := c.messagePage(r, d)
	if err != nil {
		return err
	}
	form, err := page.ReadLongForm(r)
	if err != nil {
		return err
	}
	if view.Version, err = strconv.ParseInt(form["version"], 10, 64); err != nil {
		return problem.New(problem.BadInput).On("version")
	}
	view.Text.Subject, view.Text.Text = strings.TrimSpace(form["subject"]), strings.ReplaceAll(form["text"], "\r\n", "\n")
	err = c.changeMessage(r, d, view, form["action"])
	var faults config.Faults
	if errors.As(err, &faults) {
		err = view.blame(faults, page.Lang(r))
	} else if err == nil && form["action"] != previewMessage {
		return page.See(w, r, r.URL.Path+"?"+url.Values{"done": {form["action"]}}.Encode())
	} else if err == nil {
		return c.Pages.Write(w, r, http.StatusOK, "console_message_edit", view)
	}
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		view.Version = d.Org.Version // what was typed stays, to be compared with what is there now
		return c.refuse(w, r, "console_message_edit", view, &view.Base, refusal)
	}
	return err
}

func (c *Console) changeMessage(r *http.Request, d desk, view *messagePage, action string) error {
	ctx, text := r.Context(), view.Text
	switch action {
	case previewMessage:
		if faults := text.Check(); len(faults) > 0 {
			return faults
		}
		return c.preview(view, d, &text)
	case testMessage:
		return c.Admin.SendTest(ctx, d.as, d.Org, text)
	case saveMessage:
		return c.DB.Write(ctx, func(tx *store.Tx) error {
			return c.Orgs.SetMessage(ctx, tx, d.as.By, d.Org.ID, text, view.Version)
		})
	case resetMessage:
		return c.DB.Write(ctx, func(tx *store.Tx) error {
			return c.Orgs.ResetMessage(ctx, tx, d.as.By, d.Org.ID, text.Message, text.Language, view.Version)
		})
	}
	return problem.New(problem.BadInput).On("action")
}

// blame puts what is wrong beside its field.
func (v *messagePage) blame(faults config.Faults, lang string) *problem.Error {
	first := ""
	for _, f := range faults {
		words := f.In(i18n.For(lang))
		if f.Key == "subject" || strings.HasSuffix(f.Key, ".subject") {
			v.WrongSubject, first = append(v.WrongSubject, words), "subject"
			continue
		}
		v.WrongText = append(v.WrongText, words)
		if first == "" {
			first = "text"
		}
	}
	return problem.New(problem.DocumentWrong).On(first)
}

// Example is what a variable becomes in a preview; empty where a word of its own says it.
func (v *messagePage) Example(name string) string {
	return map[string]string{
		wording.Org: v.Brand.Name, wording.Code: "12345678", wording.Minutes: "10", wording.UserID: v.UserID,
		wording.Place: "192.0.2.7", wording.SupportCode: "K3Y-TEST", wording.SupportEmail: v.Brand.Support.Email, wording.SupportPhone: v.Brand.Support.Phone,
		wording.Browser: "Chrome – Android",
	}[name]
}
