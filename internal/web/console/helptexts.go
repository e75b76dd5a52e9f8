package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/wording"
)

const helpTextsPath = "/console/settings/help-texts"

type helpTextsPage struct {
	page.Base
	Pages []messageLine
}

type helpTextPage struct {
	page.Base
	May     bool
	Own     bool
	Version int64
	Text    wording.PageText
	Longest int
	Wrong   []string
	Preview []page.OwnBlock
}

// What the page of a help text is asked for.
const (
	previewHelp = "preview_help"
	saveHelp    = "save_help"
	resetHelp   = "reset_help"
)

func (c *Console) getHelpTexts(w http.ResponseWriter, r *http.Request, d desk) error {
	view := &helpTextsPage{Base: d.base(r, "help-texts", "settings")}
	for _, name := range wording.Pages() {
		line := messageLine{Name: name}
		for _, lang := range i18n.Languages() {
			_, own := d.Org.HelpText(name, lang)
			line.Texts = append(line.Texts, messageText{lang, own})
		}
		view.Pages = append(view.Pages, line)
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_help_texts", view)
}

func (c *Console) helpText(r *http.Request, d desk) (*helpTextPage, error) {
	name, lang := r.PathValue("name"), r.PathValue("language")
	if !wording.KnownPage(name) || !i18n.Known(lang) {
		return nil, problem.New(problem.NotFound)
	}
	view := &helpTextPage{Base: d.base(r, "help-text", "settings"), May: d.as.May(admin.ChangeMessages), Version: d.Org.Version, Longest: wording.LongestText}
	if view.Text, view.Own = d.Org.HelpText(name, lang); !view.Own {
		view.Text = wording.PageText{Page: name, Language: lang, Text: wording.ProductPage(name, lang)}
	}
	view.Preview = view.Brand.Fill(view.Text)
	return view, nil
}

func (c *Console) getHelpText(w http.ResponseWriter, r *http.Request, d desk) error {
	view, err := c.helpText(r, d)
	if err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_help_text", view)
}

func (c *Console) postHelpText(w http.ResponseWriter, r *http.Request, d desk) error {
	view, err := c.helpText(r, d)
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
	view.Text.Text = strings.ReplaceAll(form["text"], "\r\n", "\n")
	view.Preview = view.Brand.Fill(view.Text)
	err = c.changeHelpText(r, d, view, form["action"])
	var faults config.Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			view.Wrong = append(view.Wrong, f.In(i18n.For(page.Lang(r))))
		}
		err = problem.New(problem.DocumentWrong).On("text")
	} else if err == nil && form["action"] != previewHelp {
		return page.See(w, r, r.URL.Path+"?"+url.Values{"done": {form["action"]}}.Encode())
	} else if err == nil {
		return c.Pages.Write(w, r, http.StatusOK, "console_help_text", view)
	}
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		view.Version = d.Org.Version // what was typed stays, to be compared with what is there now
		return c.refuse(w, r, "console_help_text", view, &view.Base, refusal)
	}
	return err
}

func (c *Console) changeHelpText(r *http.Request, d desk, view *helpTextPage, action string) error {
	ctx, text := r.Context(), view.Text
	switch action {
	case previewHelp:
		if faults := text.Check(); len(faults) > 0 {
			return faults
		}
		return nil
	case saveHelp:
		return c.DB.Write(ctx, func(tx *store.Tx) error {
			return c.Orgs.SetHelpText(ctx, tx, d.as.By, d.Org.ID, text, view.Version)
		})
	case resetHelp:
		return c.DB.Write(ctx, func(tx *store.Tx) error {
			return c.Orgs.ResetHelpText(ctx, tx, d.as.By, d.Org.ID, text.Page, text.Language, view.Version)
		})
	}
	return problem.New(problem.BadInput).On("action")
}
