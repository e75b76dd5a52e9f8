package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/wording"
)

// messageText is what a message says in a language.
type messageText struct {
	Message   string     `json:"message"`
	Language  string     `json:"language"`
	Own       bool       `json:"own" doc:"The organization's own text; else the product's"`
	Subject   string     `json:"subject,omitempty"`
	Text      string     `json:"text"`
	Variables []variable `json:"variables"`
}

type variable struct {
	Name     string `json:"name" doc:"Written as {{name}}"`
	Required bool   `json:"required,omitempty"`
	Alone    bool   `json:"alone,omitempty" doc:"Stands on a line of its own"`
}

// undelivered is a message that was given up, without whom it was for and what it said.
type undelivered struct {
	ID       string         `json:"id"`
	Message  string         `json:"message"`
	Channel  notify.Channel `json:"channel" enum:"email,sms,call"`
	State    notify.State   `json:"state" enum:"failed,expired"`
	Reason   string         `json:"reason,omitempty" doc:"What the far end said, in English"`
	QueuedAt time.Time      `json:"queued_at"`
}

type undeliveredOutput struct {
	Body struct {
		Messages []undelivered `json:"messages"`
		Next     string        `json:"next,omitempty"`
	}
}

type messagesOutput struct {
	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body struct {
		Messages []messageText `json:"messages"`
		Next     string        `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
	}
}

type messageOutput struct {
	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body messageText
}

type MessagePath struct {
	OrgPath
	Message  string `path:"message" maxLength:"40"`
	Language string `path:"language" maxLength:"10"`
}

type messageBody struct {
	Subject string `json:"subject,omitempty" maxLength:"400" doc:"Empty for a text message"`
	Text    string `json:"text,omitempty" maxLength:"6000"`
}

type messageInput struct {
	MessagePath
	IfMatch
	Body messageBody
}

type messageReset struct {
	MessagePath
	IfMatch
}

type messageTry struct {
	MessagePath
	Body messageBody
}

type previewOutput struct {
	Body struct {
		Subject string `json:"subject,omitempty"`
		Text    string `json:"text"`
		HTML    string `json:"html,omitempty"`
		Texts   int    `json:"texts,omitempty" doc:"As how many text messages it is sent"`
		Places  int    `json:"places,omitempty"`
		GSM     bool   `json:"gsm,omitempty" doc:"In the 7-bit alphabet of GSM; else UCS-2"`
	}
}

func (a *API) messageOperations() {
	get(a, "/messages", "list-messages", "What every message says, in every language", admin.SeeMessages, func(ctx context.Context, in *pagedInput) (_ *messagesOutput, err error) {
		o, out := organization(ctx), &messagesOutput{}
		out.ETag, out.Body.Messages = etag(o), []messageText{}
		for _, m := range wording.Messages() {
			for _, lang := range i18n.Languages() {
				text, err := textOf(o, m.Name, lang)
				if err != nil {
					return nil, err
				}
				out.Body.Messages = append(out.Body.Messages, text)
			}
		}
		out.Body.Messages, out.Body.Next, err = pageOf(ctx, a, "list-messages", in.Paging, out.Body.Messages, func(m messageText) string { return m.Message + " " + m.Language })
		return out, err
	})
	get(a, "/messages/undelivered", "list-undelivered", "The newest messages of the last 30 days that did not arrive, 200 at most", admin.SeeMessages, func(ctx context.Context, in *pagedInput) (*undeliveredOutput, error) {
		var all []notify.Undelivered
		err := a.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
			all, err = a.d.Messages.Undelivered(ctx, tx, organization(ctx).ID, tx.Now().AddDate(0, 0, -30), notify.MostUndelivered)
			return err
		})
		if err != nil {
			return nil, err
		}
		out := &undeliveredOutput{}
		page, next, err := pageOf(ctx, a, "list-undelivered", in.Paging, all, func(u notify.Undelivered) string { return u.ID })
		out.Body.Messages, out.Body.Next = []undelivered{}, next
		for _, u := range page {
			out.Body.Messages = append(out.Body.Messages, undelivered{u.ID, u.Kind, u.Channel, u.State, u.Reason, u.Queued.UTC()})
		}
		return out, err
	})
	get(a, "/messages/{message}/{language}", "get-message", "What a message says in a language", admin.SeeMessages, func(ctx context.Context, in *MessagePath) (*messageOutput, error) {
		o := organization(ctx)
		text, err := textOf(o, in.Message, in.Language)
		return &messageOutput{ETag: etag(o), Body: text}, err
	})
	register(a, huma.Operation{
		OperationID: "put-message", Method: http.MethodPut, Path: "/messages/{message}/{language}", Summary: "Write a message in the organization's own words",
		Description: "Only the message's own variables are known. What keeps people safe is added and cannot be left out.",
	}, admin.ChangeMessages, func(ctx context.Context, in *messageInput) (*messageOutput, error) {
		if _, err := textOf(organization(ctx), in.Message, in.Language); err != nil {
			return nil, err
		}
		return a.editMessage(ctx, in.Message, in.Language, in.IfMatch.Tag, func(tx *store.Tx, version int64) error {
			return a.d.Orgs.SetMessage(ctx, tx, authority(ctx).By, organization(ctx).ID, written(in.Message, in.Language, in.Body), version)
		})
	})
	register(a, huma.Operation{
		OperationID: "reset-message", Method: http.MethodPost, Path: "/messages/{message}/{language}/reset", Summary: "Give a message the product's text again",
	}, admin.ChangeMessages, func(ctx context.Context, in *messageReset) (*messageOutput, error) {
		return a.editMessage(ctx, in.Message, in.Language, in.IfMatch.Tag, func(tx *store.Tx, version int64) error {
			return a.d.Orgs.ResetMessage(ctx, tx, authority(ctx).By, organization(ctx).ID, in.Message, in.Language, version)
		})
	})
	register(a, huma.Operation{
		OperationID: "try-message", Method: http.MethodPost, Path: "/messages/{message}/{language}/try", Summary: "A message with made-up values, without saving it",
	}, admin.SeeMessages, a.tryMessage)
}

func written(message, lang string, b messageBody) wording.Text {
	return wording.Text{Message: message, Language: lang, Subject: strings.TrimSpace(b.Subject), Text: strings.ReplaceAll(b.Text, "\r\n", "\n")}
}

func textOf(o *org.Organization, name, lang string) (messageText, error) {
	m, ok := wording.Find(name)
	if !ok || !i18n.Known(lang) {
		return messageText{}, problem.New(problem.NotFound)
	}
	t, own := o.TextOf(name, lang)
	if !own {
		var err error
		if t, err = notify.ProductText(name, lang); err != nil {
			return messageText{}, err
		}
	}
	out := messageText{Message: name, Language: lang, Own: own, Subject: t.Subject, Text: t.Text, Variables: []variable{}}
	for _, v := range m.Variables {
		out.Variables = append(out.Variables, variable(v))
	}
	return out, nil
}

// versionIn is the version that If-Match names. Problem Conflict.
func versionIn(ifMatch string) (int64, error) {
	version, err := strconv.ParseInt(strings.Trim(ifMatch, `"`), 10, 64)
	if err != nil {
		return 0, problem.New(problem.Conflict).On("If-Match")
	}
	return version, nil
}

func (a *API) editMessage(ctx context.Context, message, lang, ifMatch string, change func(*store.Tx, int64) error) (*messageOutput, error) {
	out := &messageOutput{}
	after, err := a.edit(ctx, ifMatch, change)
	if err != nil {
		return nil, err
	}
	out.ETag = etag(after)
	out.Body, err = textOf(after, message, lang)
	return out, err
}

// edit changes the organization at a version and gives what it is afterwards.
func (a *API) edit(ctx context.Context, ifMatch string, change func(*store.Tx, int64) error) (after *org.Organization, err error) {
	version, err := versionIn(ifMatch)
	if err != nil {
		return nil, err
	}
	err = a.d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := change(tx, version); err != nil {
			return err
		}
		after, err = a.d.Orgs.Get(ctx, tx, organization(ctx).ID)
		return err
	})
	return after, err
}

func (a *API) tryMessage(ctx context.Context, in *messageTry) (*previewOutput, error) {
	text := written(in.Message, in.Language, in.Body)
	if _, err := textOf(organization(ctx), in.Message, in.Language); err != nil {
		return nil, err
	}
	if faults := text.Check(); len(faults) > 0 {
		return nil, faults
	}
	p, err := a.d.Messages.Preview(organization(ctx), in.Message, in.Language, &text, a.d.DB.Now())
	if err != nil {
		return nil, err
	}
	out := &previewOutput{}
	out.Body.Subject, out.Body.Text, out.Body.HTML = p.Subject, p.Text, p.HTML
	out.Body.Texts, out.Body.Places, out.Body.GSM = p.Segments.Parts, p.Segments.Places, p.Segments.GSM
	return out, nil
}
