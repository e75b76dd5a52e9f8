package e2e

import (
	"fmt"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/webhook"
)

// An owner looks at what a receiver refused, gives one event up, and is told what is
// wrong with an address.
func walkWebhooks(t *testing.T, p *kuncitest.Product, b *tab) {
	ctx, by := t.Context(), audit.Actor{Kind: audit.System}
	h, _, err := p.App.Webhooks.Add(ctx, by, p.Organization(), webhook.Order{URL: "https://siem-penerima.kantor-cabang-surabaya.contoso.example/kunci", People: true})
	if err == nil {
		err = p.App.Webhooks.Pause(ctx, by, p.Organization(), h.ID)
	}
	if err == nil {
		err = p.App.DB.Write(ctx, func(tx *store.Tx) error {
			for i, kind := range []audit.Kind{audit.RegistrationReconfirmed, audit.AdministratorChanged, audit.ResetStarted} {
				_, err := tx.Exec(ctx, `INSERT INTO webhook_aside (webhook_id, leaf, event_id, kind, tries, last_error, set_aside_at, tried_at, next_at)
 VALUES ($1, $2, $3, $4, 8, 'status-422', $5, $5, $6)`, h.ID, i, fmt.Sprint("event", i), string(kind), store.Micros(tx.Now()), int64(i)*store.Micros(tx.Now()))
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	b.open("/console/settings/webhooks", "console-hooks").shot("w1-webhooks")
	b.leave().click(`li[data-event="event0"] button[value="discard_event"]`).at("console-hooks").shot("w2-discarded")
	if b.attribute("main .notice", "role") != "status" {
		t.Error("nothing was discarded")
	}
	b.fill("url", "https://adele:pw@siem.contoso.example/").leave().click(`button[value="add_webhook"]`).at("console-hooks").shot("w3-refused")
	b.leave().click(`button[value="resume_webhook"]`).at("console-hooks")
	b.click(`details summary`).shot("w4-open")
}
