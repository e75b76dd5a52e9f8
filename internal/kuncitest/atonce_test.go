package kuncitest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
)

// Somebody changes the password while somebody else, who got into the mailbox, resets
// it: one follows the other. One password is right, both are recorded where both
// happened, and whoever changed it last is who is signed in, if anybody.
func TestAChangeAndAResetAtOnce(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := p.Browser()
		signIn(t, me, "alain@contoso.com", kuncitest.OldPassword)
		stranger := p.Browser()
		toCode(t, stranger, "alain@contoso.com")
		stranger.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
		start := make(chan struct{})
		var group sync.WaitGroup
		for i := range 4 {
			mine, theirs := me.Clone(), stranger.Clone()
			group.Go(func() {
				<-start
				pw := fmt.Sprintf("milik saya sendiri %d", i)
				if _, err := mine.Do(http.MethodPost, "/password", url.Values{"current_password": {kuncitest.OldPassword}, "new_password": {pw}, "confirm_password": {pw}}); err != nil {
					t.Error(err)
				}
			})
			group.Go(func() {
				<-start
				pw := fmt.Sprintf("punya orang lain %d", i)
				if _, err := theirs.Do(http.MethodPost, "/reset/password", url.Values{"new_password": {pw}, "confirm_password": {pw}}); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		group.Wait()
		right := ""
		for i := range 4 {
			for _, pw := range []string{fmt.Sprintf("milik saya sendiri %d", i), fmt.Sprintf("punya orang lain %d", i)} {
				if password(t, p, "alain@contoso.com", pw) == directory.OK {
					right += pw + "; "
				}
			}
		}
		changed, reset := count(p, audit.PasswordChanged), count(p, audit.ResetCompleted)
		if right == "" || len(right) > len("milik saya sendiri 0; ") || changed > 1 || reset > 1 || changed+reset == 0 {
			t.Errorf("right: %s; %d changes, %d resets recorded", right, changed, reset)
		}
		if password(t, p, "alain@contoso.com", kuncitest.OldPassword) == directory.OK {
			t.Error("the old one is right")
		}
		// The session in which it was changed does not outlive a reset that came after.
		if right != "" && right[0] == 'p' && isIn(me) {
			t.Errorf("%s is right, and whoever had another password is signed in", right)
		}
	})
}
