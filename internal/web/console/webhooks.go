package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/webhook"
)

const webhooksPath = "/console/settings/webhooks"

// What the page of webhooks is asked for.
const (
	addWebhook    = "add_webhook"
	pauseWebhook  = "pause_webhook"
	resumeWebhook = "resume_webhook"
	testWebhook   = "test_webhook"
	sendAgain     = "send_again"
	sendAllAgain  = "send_all_again"
	discard       = "discard_event"
	discardAll    = "discard_all_events"
	removeWebhook = "remove_webhook"
)

// pageOfAside is how many events that were set aside the page shows of a receiver.
const pageOfAside = 50

type webhooksPage struct {
	page.Base
	May  bool
	Rows []webhookRow
	Part bool // of one receiver, what follows on a page before
	// What was typed for a receiver that was refused.
	Typed  string
	People bool
	// Made is the secret of a new receiver: told in this answer and never again.
	Made string
	// TestFailed is why a test did not arrive.
	TestFailed string
}

type webhookRow struct {
	webhook.Hook
	Aside []webhook.Aside
	Next  string // the address of the next page of them; empty: there is none
}

// webhooks reads every receiver; with the identifier of one it alone, and what was
// set aside for it after a place in the log.
func (c *Console) webhooks(r *http.Request, d desk, id string, after int64) (*webhooksPage, error) {
	view := &webhooksPage{Base: d.base(r, "hooks", "settings"), May: d.as.May(admin.ManageWebhooks), Part: id != ""}
	err := c.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		var all []webhook.Hook
		if view.Part {
			all = make([]webhook.Hook, 1)
			all[0], err = c.Webhooks.One(r.Context(), tx, d.Org.ID, id)
		} else {
			all, err = c.Webhooks.List(r.Context(), tx, d.Org.ID)
		}
		if err != nil {
			return err
		}
		view.Rows = make([]webhookRow, len(all))
		for i, h := range all {
			row := &view.Rows[i]
			row.Hook = h
			if h.SetAside == 0 {
				continue
			}
			if row.Aside, err = c.Webhooks.SetAside(r.Context(), tx, d.Org.ID, h.ID, after, pageOfAside+1); err != nil {
				return err
			}
			if len(row.Aside) > pageOfAside {
				row.Aside = row.Aside[:pageOfAside]
				row.Next = webhooksPath + "?" + url.Values{"webhook": {h.ID}, "after": {strconv.FormatInt(row.Aside[pageOfAside-1].Leaf, 10)}}.Encode()
			}
		}
		return nil
	})
	return view, err
}

func (c *Console) getWebhooks(w http.ResponseWriter, r *http.Request, d desk) error {
	id, after := r.URL.Query().Get("webhook"), int64(-1)
	if id != "" {
		place, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
		if err != nil {
			return problem.New(problem.BadInput).On("after").Because(err)
		}
		after = place
	}
	view, err := c.webhooks(r, d, id, after)
	if err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_webhooks", view)
}

func (c *Console) postWebhooks(w http.ResponseWriter, r *http.Request, d desk) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	var made, failed string
	if form["act"] == addWebhook {
		made, err = c.addWebhook(r, d, form)
	} else {
		failed, err = c.changeWebhook(r.Context(), d, form)
	}
	if err == nil && made == "" && failed == "" {
		return page.See(w, r, webhooksPath+"?"+url.Values{"done": {form["act"]}}.Encode())
	}
	if problem.Has(err, problem.StepUp) {
		return page.See(w, r, "/signin/verify?"+url.Values{"next": {webhooksPath}}.Encode())
	}
	view, viewErr := c.webhooks(r, d, "", -1)
	if viewErr != nil {
		return viewErr
	}
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		view.Typed, view.People = form["url"], form["people"] != ""
		return c.refuse(w, r, "console_webhooks", view, &view.Base, refusal)
	}
	if err != nil {
		return err
	}
	view.Made, view.TestFailed = made, failed
	return c.Pages.Write(w, r, http.StatusOK, "console_webhooks", view)
}

// addWebhook adds a receiver and gives its secret. It opens a way out for
// everything that happens, so it asks for a second factor proved moments ago.
func (c *Console) addWebhook(r *http.Request, d desk, form page.Form) (string, error) {
	if !d.as.Fresh {
		return "", problem.New(problem.StepUp)
	}
	_, secret, err := c.Webhooks.Add(r.Context(), d.as.By, d.Org, webhook.Order{URL: form["url"], People: form["people"] != ""})
	return secret, err
}

// changeWebhook does what was asked for with a receiver; failed is why a test did
// not arrive.
func (c *Console) changeWebhook(ctx context.Context, d desk, form page.Form) (failed string, err error) {
	id := form["id"]
	switch form["act"] {
	case pauseWebhook:
		return "", c.Webhooks.Pause(ctx, d.as.By, d.Org, id)
	case resumeWebhook:
		return "", c.Webhooks.Resume(ctx, d.as.By, d.Org, id)
	case testWebhook:
		return c.Webhooks.Test(ctx, d.as.By, d.Org, id)
	case sendAgain:
		_, err = c.Webhooks.SendAgain(ctx, d.as.By, d.Org, id, form["event"])
		return "", err
	case sendAllAgain:
		_, err = c.Webhooks.SendAgain(ctx, d.as.By, d.Org, id)
		return "", err
	case discard:
		if form["event"] == "" { // which would be all
			return "", problem.New(problem.BadInput).On("event")
		}
		_, err = c.Webhooks.Discard(ctx, d.as.By, d.Org, id, form["event"])
		return "", err
	case discardAll:
		_, err = c.Webhooks.Discard(ctx, d.as.By, d.Org, id, "")
		return "", err
	case removeWebhook:
		return "", c.Webhooks.Remove(ctx, d.as.By, d.Org, id)
	}
	return "", problem.New(problem.BadInput).On("act")
}
