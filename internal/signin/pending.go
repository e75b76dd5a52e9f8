package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// PendingFor is how long a browser keeps the user ID until the password comes.
const PendingFor = 15 * time.Minute

// Pending is a sign-in whose password is still to be typed.
type Pending struct {
	UserID string
	// Next is where to go on afterwards, as Start was told; the pages judge it.
	Next string
	// Org is whose people have this user ID; nil: nobody's here.
	Org *org.Organization
}

type sealedPending struct {
	UserID string `json:"u"`
	Next   string `json:"n,omitempty"`
	Until  int64  `json:"t"`
}

const pendingSeal = "signin pending"

// Start takes the user ID and gives what the browser keeps until the password
// comes: sealed, so that neither the address nor the cookie shows who it is, and
// so that nothing is stored for those who only try names. Whether the account
// exists is not looked at. Problem Required: this cannot be a user ID.
func (s *Service) Start(userID, next string) (cookie string, err error) {
	normalized := directory.NormalizeUserID(userID)
	if normalized == "" {
		return "", problem.New(problem.Required).On("user_id")
	}
	plain, err := json.Marshal(sealedPending{normalized, next, store.Micros(s.d.DB.Now().Add(PendingFor))})
	if err != nil {
		return "", fmt.Errorf("start sign-in: %w", err)
	}
	sealed, err := s.d.Keys.Seal(plain, pendingSeal)
	if err != nil {
		return "", fmt.Errorf("start sign-in: %w", err)
	}
	return encoding.EncodeToString(sealed), nil
}

// Pending opens what Start gave. Problem Expired: there is none, or it is too old.
func (s *Service) Pending(ctx context.Context, cookie string) (Pending, error) {
	var kept sealedPending
	sealed, err := encoding.DecodeString(cookie)
	if err == nil {
		var plain []byte
		if plain, err = s.d.Keys.Open(sealed, pendingSeal); err == nil {
			err = json.Unmarshal(plain, &kept)
		}
	}
	if err != nil || !store.Time(kept.Until).After(s.d.DB.Now()) {
		return Pending{}, problem.New(problem.Expired)
	}
	p := Pending{UserID: kept.UserID, Next: kept.Next}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		p.Org, err = s.d.Orgs.ForUserID(ctx, tx, p.UserID)
		return err
	})
	if err != nil && !problem.Has(err, problem.NotFound) {
		return Pending{}, fmt.Errorf("pending sign-in: %w", err)
	}
	return p, nil
}
