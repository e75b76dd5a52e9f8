package admin

import (
	"context"
	"strings"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
	"kunci.dev/kunci/internal/wording"
)

// testsOf is how many tests an administrator may send themselves.
var testsOf = throttle.Limit{Limit: 5, Per: 10 * time.Minute}

// SendTest mails a text, with made-up values, to a confirmed address of whoever
// asks and to nobody else: a page that mails what is typed to any address would be
// a way to write in the product's name. Problems: config.Faults, Forbidden,
// NoOwnEmail, SendLimit.
func (s *Service) SendTest(ctx context.Context, as Authority, o *org.Organization, text wording.Text) error {
	if !as.May(ChangeMessages) || as.By.Kind != audit.Admin || as.By.Account == "" || strings.HasPrefix(as.By.Account, audit.ByKey) {
		return problem.New(problem.Forbidden)
	}
	if faults := text.Check(); len(faults) > 0 {
		return faults
	}
	var verdict throttle.Verdict
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		methods, err := s.d.Methods.List(ctx, tx, o.ID, as.By.Account)
		if err != nil {
			return err
		}
		to := ""
		for _, m := range methods {
			if m.Kind == method.Email && m.Usable() {
				to = m.Value
				break
			}
		}
		if to == "" {
			return problem.New(problem.NoOwnEmail)
		}
		// Too many is a result, and its count is kept.
		if verdict, err = throttle.Take(ctx, tx, "message-test:"+as.By.Account, testsOf); err != nil || !verdict.Allowed {
			return err
		}
		body, channel, err := s.d.Messages.Sample(o, text.Message, tx.Now())
		if err != nil {
			return err
		}
		if channel != notify.ByMail {
			return config.Faults{{Key: "text", Text: "a text message has no test", Code: "message_no_test"}}
		}
		_, err = s.d.Messages.Queue(ctx, tx, notify.Message{Org: o, AccountID: as.By.Account, To: to, Lang: text.Language, Body: body, Own: &text, Test: true})
		return err
	})
	if err == nil && !verdict.Allowed {
		err = problem.New(problem.SendLimit).After(verdict.RetryAfter)
	}
	return err
}
