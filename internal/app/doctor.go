package app

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

// Finding is one thing the doctor looked at.
type Finding struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Text  string `json:"text"`
	// Mend says how to set it right; empty when it is.
	Mend string `json:"mend,omitempty"`
}

const doctorPatience = 15 * time.Second

// Doctor looks at everything a node needs and changes nothing. No mail is sent.
func Doctor(ctx context.Context, c *config.Config) []Finding {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	findings := []Finding{checkKeyset(c), checkPublicURL(c)}
	findings = append(findings, checkDatabase(ctx, c)...)
	findings = append(findings, checkMail(ctx, c))
	if c.TLS.CertFile != "" {
		findings = append(findings, checkCertificate(c))
	}
	return findings
}

func good(check, text string) Finding { return Finding{Check: check, OK: true, Text: text} }

func bad(check string, err error, mend string) Finding {
	return Finding{Check: check, Text: err.Error(), Mend: mend}
}

func checkKeyset(c *config.Config) Finding {
	if _, err := secret.Open(c.Keyset); err != nil {
		return bad("keyset", err, "restore the keyset from its backup, or correct its mode; a new one cannot read the old data")
	}
	return good("keyset", "the keyset opens and is private")
}

func checkPublicURL(c *config.Config) Finding {
	if strings.HasPrefix(c.PublicURL, "http://") {
		return good("public_url", c.PublicURL+" is this machine only; people elsewhere need https")
	}
	return good("public_url", c.PublicURL)
}

func checkDatabase(ctx context.Context, c *config.Config) []Finding {
	if path, ok := strings.CutPrefix(c.Database, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return []Finding{bad("database", err, "make it with: kunci migrate")}
		}
	}
	db, err := store.Open(ctx, c.Database, store.Options{})
	if err != nil {
		return []Finding{bad("database", err, "start the database, or correct the key database")}
	}
	defer db.Close()
	findings := []Finding{good("database", string(db.Kind())+" answers")}
	pending, err := db.Pending(ctx)
	switch {
	case err != nil:
		findings = append(findings, bad("migrations", err, "run: kunci migrate"))
	case len(pending) > 0:
		findings = append(findings, bad("migrations", fmt.Errorf("the database lacks %s", strings.Join(pending, ", ")), "run: kunci migrate"))
	default:
		findings = append(findings, good("migrations", "the database is at this version"))
	}
	return append(findings, checkClock(ctx, db))
}

// clockBound is what a TOTP step forgives.
const clockBound = 15 * time.Second

func checkClock(ctx context.Context, db *store.DB) Finding {
	if db.Kind() == store.SQLite {
		return good("clock", "the database uses this machine's clock")
	}
	var micros int64
	err := db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`).Scan(&micros)
	})
	if err != nil {
		return bad("clock", err, "the database must answer first")
	}
	if apart := time.Since(store.Time(micros)).Abs(); apart > clockBound {
		return bad("clock", fmt.Errorf("this machine and the database are %s apart", apart.Round(time.Second)), "let both keep time by NTP: codes are judged by the clock")
	}
	return good("clock", "this machine and the database agree")
}

func checkMail(ctx context.Context, c *config.Config) Finding {
	s := c.SMTP
	mail, err := notify.NewSMTP(notify.SMTPConfig{Host: s.Host, Port: s.Port, TLS: s.TLS, Username: s.Username, Password: s.Password, From: s.From, CAFile: s.CAFile})
	if err == nil {
		err = mail.Check(ctx)
	}
	if err != nil {
		return bad("smtp", err, "correct smtp.host, port, tls and the credentials; without mail nobody gets a code")
	}
	return good("smtp", fmt.Sprintf("%s:%d takes mail", s.Host, s.Port))
}

func checkCertificate(c *config.Config) Finding {
	pair := &certificate{certFile: c.TLS.CertFile, keyFile: c.TLS.KeyFile}
	loaded, err := pair.get(nil)
	if err != nil {
		return bad("tls", err, "correct tls.cert_file and tls.key_file")
	}
	if leaf := loaded.Leaf; leaf != nil && time.Until(leaf.NotAfter) < 7*24*time.Hour {
		return bad("tls", fmt.Errorf("the certificate ends on %s", leaf.NotAfter.Format(time.DateOnly)), "renew it; it is read again without a restart")
	}
	return good("tls", "the certificate can be used")
}
