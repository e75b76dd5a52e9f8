package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/password"
)

const (
	smallDirectory = 200
	largeDirectory = 200_000
	// resetters are the people whose passwords are reset, in both directories.
	resetters = 100
)

// BenchmarkDirectorySize asks the same of a slapd with 200 people and of one with
// 200,000, by turns, and tells how much longer the large one takes: a look-up of
// somebody, one of nobody, and a whole reset through the pages.
//
//	go test -run '^$' -bench DirectorySize -benchtime 100x ./bench/
func BenchmarkDirectorySize(b *testing.B) {
	var sides [2]*directorySide
	for i, people := range []int{smallDirectory, largeDirectory} {
		sides[i] = newDirectorySide(b, people)
	}
	for name, walk := range map[string]func(*directorySide, int) error{
		"look-up": func(s *directorySide, n int) error {
			_, err := s.directory.LookUp(context.Background(), fmt.Sprintf("p%d@contoso.com", n*7919%s.people))
			return err
		},
		"look-up of nobody": func(s *directorySide, n int) error {
			if _, err := s.directory.LookUp(context.Background(), fmt.Sprintf("nobody%d@contoso.com", n)); !errors.Is(err, directory.ErrNotFound) {
				return fmt.Errorf("nobody is somebody: %w", err)
			}
			return nil
		},
		"whole reset": (*directorySide).reset,
	} {
		b.Run(name, func(b *testing.B) {
			var took [2][]time.Duration
			for n := range b.N {
				for side := range sides {
					side = (side + n) % 2 // neither is always the first
					start := time.Now()
					if err := walk(sides[side], n); err != nil {
						b.Fatalf("%d people: %v", sides[side].people, err)
					}
					took[side] = append(took[side], time.Since(start))
				}
			}
			few, many := median(took[0]), median(took[1])
			b.ReportMetric(0, "ns/op") // both sides together say nothing
			b.ReportMetric(float64(few.Microseconds())/1000, "ms/200")
			b.ReportMetric(float64(many.Microseconds())/1000, "ms/200k")
			b.ReportMetric(float64(many)/float64(few), "ratio")
		})
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// directorySide is the product on one slapd.
type directorySide struct {
	people    int
	directory directory.Directory
	product   *kuncitest.Product
	mails     *inbox
	next      int
}

func newDirectorySide(b *testing.B, people int) *directorySide {
	b.Helper()
	// No history and no minimum age: one person is reset many times.
	slapd := ldaptest.StartSlapd(b, ldaptest.SlapdOptions{LDIF: peopleLDIF(b, people), Policy: map[string]string{"pwdInHistory": "0"}})
	s := &directorySide{people: people, mails: &inbox{boxes: make(map[string]chan string)}}
	var accounts strings.Builder
	accounts.WriteString("user_id,email\n")
	for n := range resetters {
		fmt.Fprintf(&accounts, "p%d@contoso.com,p%d@example.net\n", n, n)
	}
	s.product = kuncitest.Start(b, kuncitest.Options{
		Hash:   password.DefaultParams,
		Sender: s.mails, Accounts: accounts.String(),
		Organization: strings.Replace(kuncitest.Contoso, "\npolicy:", fmt.Sprintf(`
directory:
  kind: ldap
  dialect: openldap
  urls: [%s]
  bind_dn: %q
  bind_password_file: %s
  ca_file: %s
  base_dn: %q
policy:
  captcha: off
  throttle: {resets: {limit: 100, per: 1h}, gate: {limit: 100, per: 1h}, email_sends: {limit: 100, per: 10m}}`,
			slapd.URL, ldaptest.Service, slapd.PasswordFile, slapd.Authority.File, ldaptest.People), 1),
	})
	var err error
	if s.directory, err = s.product.App.Accounts.Directory(s.product.Organization()); err != nil {
		b.Fatal(err)
	}
	return s
}

// peopleLDIF is a file of people for slapadd, each in one of a thousand groups.
func peopleLDIF(b *testing.B, people int) string {
	b.Helper()
	file, err := os.Create(filepath.Join(b.TempDir(), "people.ldif"))
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(file)
	for n := range people {
		fmt.Fprintf(w, "dn: uid=p%d,%s\nobjectClass: inetOrgPerson\nuid: p%[1]d\ncn: Person %[1]d\nsn: %[1]d\nmail: p%[1]d@contoso.com\n\n", n, ldaptest.People)
	}
	groups := max(1, people/200)
	for g := range groups {
		fmt.Fprintf(w, "dn: cn=team%d,%s\nobjectClass: groupOfNames\ncn: team%[1]d\n", g, ldaptest.Groups)
		for n := g; n < people; n += groups {
			fmt.Fprintf(w, "member: uid=p%d,%s\n", n, ldaptest.People)
		}
		fmt.Fprintln(w)
	}
	if err := errors.Join(w.Flush(), file.Close()); err != nil {
		b.Fatal(err)
	}
	return file.Name()
}

// reset is one whole reset of the next person.
func (s *directorySide) reset(int) error {
	n, round := s.next%resetters, s.next/resetters
	s.next++
	pw := fmt.Sprintf("%s %d", newPassword, round)
	b := s.product.Browser()
	var page *kuncitest.Page
	for _, step := range []struct {
		path string
		form url.Values
		page string
	}{
		{"/reset", url.Values{"user_id": {fmt.Sprintf("p%d@contoso.com", n)}, "reason": {"forgot"}}, "reset-choose"},
		{"/reset/verify", url.Values{"action": {"send"}}, "reset-verify"},
		{"/reset/verify", url.Values{"action": {"verify"}}, "reset-password"},
		{"/reset/password", url.Values{"new_password": {pw}, "confirm_password": {pw}}, "reset-done"},
	} {
		switch step.page {
		case "reset-choose":
			if _, err := b.Do(http.MethodGet, "/reset", nil); err != nil {
				return err
			}
		case "reset-verify":
			step.form.Set("method", page.Choices("method")[0])
		case "reset-password":
			step.form.Set("code", <-s.mails.box(fmt.Sprintf("p%d@example.net", n)))
		}
		var err error
		if page, err = b.Do(http.MethodPost, step.path, step.form); err != nil {
			return err
		}
		if page.Name() != step.page {
			return fmt.Errorf("person %d: %d %s (%s %s), want %s", n, page.Status, page.Name(), page.Alert(), page.Problem(), step.page)
		}
	}
	return nil
}
