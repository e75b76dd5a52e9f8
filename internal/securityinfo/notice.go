package securityinfo

import (
	"context"
	"fmt"
	"strconv"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/store"
)

const (
	addedAction     = notify.MethodAdded
	changedAction   = notify.MethodChanged
	deletedAction   = notify.MethodDeleted
	confirmedAction = notify.MethodConfirmed
)

// notice is what is told, and to whom.
type notice struct {
	action string
	about  method.Method
	to     []method.Method
	also   method.Method // an address that no longer counts
	final  bool          // the person does not bring back what was deleted
}

// addresses are the proved mailboxes of a list, without one method.
func addresses(all []method.Method, without string) []method.Method {
	var found []method.Method
	for _, m := range all {
		if m.Kind == method.Email && m.Proved && m.ID != without {
			found = append(found, m)
		}
	}
	return found
}

// tell writes to every proved address. A disabled one is told too: it may be the
// only one the person reads.
func (s *Service) tell(ctx context.Context, tx *store.Tx, by audit.Actor, f facts, n notice) error {
	if n.also.Kind == method.Email {
		n.to = append(n.to, n.also)
	}
	body := notify.MethodNotice{
		Action: n.action, Kind: string(n.about.Kind), Masked: n.about.Masked(), UserID: f.account.Entry.UserID,
		IP: by.IP, Browser: by.UserAgent, SupportCode: by.Correlation, At: f.now,
	}
	if len(n.to) == 0 {
		return nil
	}
	var err error
	body.DisputeURL, err = s.d.Disputes.DisputeLink(ctx, tx, store.NewID(), f.org.ID, f.account.ID, f.account.Entry.UserID)
	if err != nil {
		return err
	}
	if n.action == deletedAction && !n.final {
		body.UndoURL = s.d.PublicURL + UndoPath(n.about.ID)
	}
	lang := f.account.Entry.Language
	if lang == "" {
		lang = f.org.Language
	}
	for _, to := range n.to {
		_, err := s.d.Messages.Queue(ctx, tx, notify.Message{
			Org: f.org, AccountID: f.account.ID, To: to.Value, Lang: lang, Body: body,
			Key: "method:" + n.action + ":" + n.about.ID + ":" + to.ID + ":" + strconv.FormatInt(store.Micros(f.now), 10),
		})
		if err != nil {
			return fmt.Errorf("tell about security info: %w", err)
		}
	}
	return nil
}

// UndoPath is where a deletion is undone.
func UndoPath(id string) string { return "/security-info/" + id + "/undo" }
