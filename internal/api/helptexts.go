package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/wording"
)

// helpText is what a page says in a language.
type helpText struct {
	Page     string `json:"page"`
	Language string `json:"language"`
	Own      bool   `json:"own" doc:"The organization's own text; else the product's"`
	Text     string `json:"text"`
}

type helpTextsOutput struct {
	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body struct {
		Texts []helpText `json:"texts"`
		Next  string     `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
	}
}

type helpTextOutput struct {
	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body helpText
}

type HelpTextPath struct {
	OrgPath
	Page     string `path:"page" maxLength:"40"`
	Language string `path:"language" maxLength:"10"`
}

type helpTextInput struct {
	HelpTextPath
	IfMatch
	Body struct {
		Text string `json:"text,omitempty" maxLength:"6000" doc:"Paragraphs, lines of a list that begin with a hyphen, **strong words** and the variables {{org}}, {{support_email}}, {{support_phone}}, {{support_url}}"`
	}
}

type helpTextReset struct {
	HelpTextPath
	IfMatch
}

type helpTextTry struct {
	HelpTextPath
	Body struct {
		Text string `json:"text,omitempty" maxLength:"6000" doc:"As for put-help-text"`
	}
}

// helpTextSpan is a piece of a line, helpTextBlock a paragraph or a list of lines.
type (
	helpTextSpan struct {
		Text    string `json:"text"`
		Strong  bool   `json:"strong,omitempty"`
		Address string `json:"address,omitempty" doc:"It is a link to this"`
	}
	helpTextBlock struct {
		List  bool             `json:"list" doc:"A list; else one paragraph"`
		Items [][]helpTextSpan `json:"items"`
	}
)

type helpTextTried struct {
	Body struct {
		Blocks []helpTextBlock `json:"blocks" doc:"As people read it, with the organization's values"`
	}
}

func (a *API) helpTextOperations() {
	get(a, "/help-texts", "list-help-texts", "What pages of help and dead ends say", admin.SeeMessages, func(ctx context.Context, in *pagedInput) (_ *helpTextsOutput, err error) {
		o, out := organization(ctx), &helpTextsOutput{}
		out.ETag, out.Body.Texts = etag(o), []helpText{}
		for _, name := range wording.Pages() {
			for _, lang := range i18n.Languages() {
				text, err := helpTextOf(o, name, lang)
				if err != nil {
					return nil, err
				}
				out.Body.Texts = append(out.Body.Texts, text)
			}
		}
		out.Body.Texts, out.Body.Next, err = pageOf(ctx, a, "list-help-texts", in.Paging, out.Body.Texts, func(t helpText) string { return t.Page + " " + t.Language })
		return out, err
	})
	get(a, "/help-texts/{page}/{language}", "get-help-text", "What a page says in a language", admin.SeeMessages, func(ctx context.Context, in *HelpTextPath) (*helpTextOutput, error) {
		text, err := helpTextOf(organization(ctx), in.Page, in.Language)
		return &helpTextOutput{etag(organization(ctx)), text}, err
	})
	register(a, huma.Operation{
		OperationID: "put-help-text", Method: http.MethodPut, Path: "/help-texts/{page}/{language}", Summary: "Write a page in the organization's own words",
	}, admin.ChangeMessages, func(ctx context.Context, in *helpTextInput) (*helpTextOutput, error) {
		return a.editHelpText(ctx, in.Page, in.Language, in.IfMatch.Tag, func(tx *store.Tx, version int64) error {
			text := wording.PageText{Page: in.Page, Language: in.Language, Text: strings.ReplaceAll(in.Body.Text, "\r\n", "\n")}
			return a.d.Orgs.SetHelpText(ctx, tx, authority(ctx).By, organization(ctx).ID, text, version)
		})
	})
	register(a, huma.Operation{
		OperationID: "try-help-text", Method: http.MethodPost, Path: "/help-texts/{page}/{language}/try", Summary: "A page's text as people would read it, without saving it",
	}, admin.SeeMessages, tryHelpText)
	register(a, huma.Operation{
		OperationID: "reset-help-text", Method: http.MethodPost, Path: "/help-texts/{page}/{language}/reset", DefaultStatus: http.StatusOK, Summary: "Give a page the product's text again",
	}, admin.ChangeMessages, func(ctx context.Context, in *helpTextReset) (*helpTextOutput, error) {
		return a.editHelpText(ctx, in.Page, in.Language, in.IfMatch.Tag, func(tx *store.Tx, version int64) error {
			return a.d.Orgs.ResetHelpText(ctx, tx, authority(ctx).By, organization(ctx).ID, in.Page, in.Language, version)
		})
	})
}

// tryHelpText writes a text as its page would.
func tryHelpText(ctx context.Context, in *helpTextTry) (*helpTextTried, error) {
	if _, err := helpTextOf(organization(ctx), in.Page, in.Language); err != nil {
		return nil, err
	}
	text := wording.PageText{Page: in.Page, Language: in.Language, Text: strings.ReplaceAll(in.Body.Text, "\r\n", "\n")}
	if faults := text.Check(); len(faults) > 0 {
		return nil, faults
	}
	out := &helpTextTried{}
	for _, b := range page.BrandOf(organization(ctx)).Fill(text) {
		block := helpTextBlock{List: b.List}
		for _, item := range b.Items {
			line := make([]helpTextSpan, len(item))
			for i, s := range item {
				line[i] = helpTextSpan{s.Text, s.Strong, s.Address}
			}
			block.Items = append(block.Items, line)
		}
		out.Body.Blocks = append(out.Body.Blocks, block)
	}
	return out, nil
}

func (a *API) editHelpText(ctx context.Context, name, lang, ifMatch string, change func(*store.Tx, int64) error) (*helpTextOutput, error) {
	if _, err := helpTextOf(organization(ctx), name, lang); err != nil {
		return nil, err
	}
	after, err := a.edit(ctx, ifMatch, change)
	if err != nil {
		return nil, err
	}
	text, err := helpTextOf(after, name, lang)
	return &helpTextOutput{etag(after), text}, err
}

func helpTextOf(o *org.Organization, name, lang string) (helpText, error) {
	if !wording.KnownPage(name) || !i18n.Known(lang) {
		return helpText{}, problem.New(problem.NotFound)
	}
	if t, own := o.HelpText(name, lang); own {
		return helpText{name, lang, true, t.Text}, nil
	}
	return helpText{name, lang, false, wording.ProductPage(name, lang)}, nil
}
