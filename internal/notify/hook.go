package notify

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"kunci.dev/kunci/internal/store"
)

// HookPath is what the addresses begin with to which Twilio calls back.
const HookPath = "/hooks/twilio/"

// Hooks answers status call-backs; nil where no gateway sends any. A call-back
// that is not signed by its gateway is refused and changes nothing.
func (s *Service) Hooks() (pattern string, handler http.Handler) {
	signers := make(map[Channel]*Twilio)
	for _, c := range []Channel{ByText, ByCall} {
		if t, ok := s.phoneSender(c).(*Twilio); ok {
			signers[c] = t
		}
	}
	if len(signers) == 0 {
		return "", nil
	}
	return "POST " + HookPath + "{channel}/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		channel, id := Channel(r.PathValue("channel")), r.PathValue("id")
		t, ok := signers[channel]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if err := r.ParseForm(); err != nil {
			http.Error(w, "the form cannot be read", http.StatusBadRequest)
			return
		}
		if !s.trusts(t, channel, id, r.PostForm, r.Header.Get("X-Twilio-Signature")) {
			s.log.Warn("a call-back is not signed by the gateway", "channel", channel)
			http.Error(w, "not signed", http.StatusForbidden)
			return
		}
		if err := s.Reported(r.Context(), report(id, r.PostForm)); err != nil {
			s.log.Error("a call-back was not kept", "error", err)
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func (s *Service) trusts(t *Twilio, c Channel, id string, form url.Values, signature string) bool {
	return signature != "" && t.signed(t.hook(c, id), form, signature)
}

// Reported keeps what a gateway says about a message. Reports come twice and in
// any order, also before the answer to the request they are about: the first
// that says how it ended counts, and every other one is left alone. A message
// nobody knows is no fault: rows go after a month.
func (s *Service) Reported(ctx context.Context, r Report) error {
	if r.Delivered == r.Failed {
		return nil
	}
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		if r.Delivered {
			_, err := updateDelivered(ctx, tx, r.ID)
			return err
		}
		changed, err := updateUndelivered(ctx, tx, r.ID, r.Reason)
		if err == nil && changed {
			s.log.Warn("message not delivered", "message", r.ID, "reason", r.Reason)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("report of a gateway: %w", err)
	}
	return nil
}
