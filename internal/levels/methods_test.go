package levels

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/signin"
)

// pagesOfMethods is the page of each kind in docs/methods, without its file type.
// A new kind needs its page.
var pagesOfMethods = map[method.Kind]string{
	method.Passkey: "passkey", method.AuthenticatorCode: "authenticator-app", method.AuthenticatorPush: "push", method.HardwareToken: "hardware-token",
	method.RecoveryCode: "recovery-codes", method.Email: "email", method.MobilePhone: "phone", method.OfficePhone: "phone",
	method.SecurityQuestions: "security-questions", method.TemporaryAccessPass: "temporary-access-pass",
}

// pageOfMethod gives a page as one line, and the table at its head: the cells
// that stand beside a name, in the column of a kind.
func pageOfMethod(t *testing.T, k method.Kind) (text string, table map[string]string) {
	t.Helper()
	whole, ok := documents(t)[filepath.Join("..", "..", "docs", "methods", pagesOfMethods[k]+".md")]
	if !ok {
		t.Fatalf("%s has no page", k)
	}
	table = make(map[string]string)
	column := 1
	for line := range strings.Lines(whole) {
		if strings.HasPrefix(line, "## ") {
			break
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i, cell := range cells {
			if strings.TrimSpace(cell) == "`"+string(k)+"`" {
				column = i
			}
		}
		if strings.HasPrefix(line, "| ") && column < len(cells) {
			table[strings.TrimSpace(cells[0])] = strings.TrimSpace(cells[column])
		}
	}
	return strings.Join(strings.Fields(whole), " "), table
}

// Every kind has a page for people and for administrators, and its head says
// what the code does.
func TestEveryKindHasItsPage(t *testing.T) {
	yes := map[bool]string{true: "yes", false: "no"}
	for _, k := range method.Kinds() {
		text, table := pageOfMethod(t, k)
		for _, part := range []string{" ## For people ", " ## For administrators "} {
			if strings.Count(text, part) != 1 {
				t.Errorf("%s: the page has no part%s", k, part)
			}
		}
		name := table["name in policies and events"] + table["name in events"]
		if name != "`"+string(k)+"`" {
			t.Errorf("%s: the page calls it %s", k, name)
		}
		for row, want := range map[string]string{
			"how many": fmt.Sprint(k.Limit()), "second factor at sign-in": yes[k.ProvesSignIn()], "sort": strings.ReplaceAll(string(k.Class()), "_", " "),
			"resets a password": yes[k.ProvesReset() && k.Class() != method.Knowledge],
		} {
			got := table[row]
			if k.Class() == method.Knowledge && row == "resets a password" {
				want = "only where named"
			}
			if got != want && !strings.HasPrefix(got, want+" ") && !strings.HasPrefix(got, want+",") && !strings.HasPrefix(got, want+":") {
				t.Errorf("%s: %q is %q, want %q", k, row, got, want)
			}
		}
	}
}

// inWords are the numbers that pages write out.
var inWords = []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}

func minutes(d time.Duration) int { return int(d / time.Minute) }

// What pages say of limits and times is what the code does where nobody set
// anything else. Numbers that a room keeps for itself are compared there.
func TestThePagesOfKindsSayTheNumbers(t *testing.T) {
	p := org.Defaults()
	gate, mails, phones, pass := p.Throttle.Gate, p.Throttle.EmailSends, p.Throttle.PhoneSends, p.TemporaryAccessPass
	code := fmt.Sprintf("| code | %d digits, %d minutes, once (`policy.codes`)", p.Codes.Digits, p.Codes.Minutes)
	guesses := fmt.Sprintf("%s wrong codes in an hour", inWords[gate.Limit])
	if gate.Per != time.Hour || phones.Per != time.Hour || phones.Lock != 24*time.Hour || method.UndoFor != 7*24*time.Hour || method.PendingFor != time.Hour {
		t.Error("a time is another one; the pages say it in words")
	}
	for k, sentences := range map[method.Kind][]string{
		method.Passkey: {
			fmt.Sprintf("You can have %s.", inWords[method.Passkey.Limit()]), "For seven days it can be brought back",
			fmt.Sprintf("needs a proof younger than %s minutes", inWords[minutes(signin.FreshForPasskey)]),
		},
		method.AuthenticatorCode: {
			fmt.Sprintf("SHA-1, %d digits, %d seconds", method.AppOATH.Digits, method.AppOATH.Period), "You have an hour from the beginning",
			fmt.Sprintf("%d random bits", method.SeedBytes*8), strings.ToUpper(guesses[:1]) + guesses[1:], fmt.Sprintf("; %d in a row switch it off", method.DisableAfter),
			"undone for seven days",
		},
		method.AuthenticatorPush: {
			fmt.Sprintf("You can have %s.", inWords[method.AuthenticatorPush.Limit()]), fmt.Sprintf("| request | %d minutes, ", minutes(challenge.PushLife)),
			fmt.Sprintf("waits for %s minutes", inWords[minutes(challenge.PushLife)]),
		},
		method.HardwareToken: {
			fmt.Sprintf("base32 or hexadecimal digits, %d to %d bytes", method.MinSeed, method.MaxSeed),
			fmt.Sprintf("at most %s tokens and authenticator apps together", inWords[method.HardwareToken.Limit()]),
		},
		method.RecoveryCode: {fmt.Sprintf("1 set of %s codes", inWords[method.RecoveryCodes]), guesses, fmt.Sprintf("%d in a row switch it off", method.DisableAfter)},
		method.Email: {
			code, strings.ToUpper(guesses[:1]) + guesses[1:], fmt.Sprintf("at most %d such codes in %d minutes", mails.Limit, minutes(mails.Per)), "for seven days that can be undone",
		},
		method.MobilePhone: {
			code, inWords[gate.Limit] + " in an hour pause resetting with this phone for a day", fmt.Sprintf("After %d seconds the page says", int(notify.Overdue.Seconds())),
			fmt.Sprintf("| messages per method | %d an hour, then none for 24 hours |", phones.Limit), fmt.Sprintf("| messages per account | %d a day |", p.Phone.PerDay),
		},
		method.SecurityQuestions: {
			fmt.Sprintf("| answers | %d to %d characters", method.MinAnswer, method.MaxAnswer), fmt.Sprintf("An answer has %d to %d characters", method.MinAnswer, method.MaxAnswer),
			fmt.Sprintf("- %d questions are there, in every language", method.PredefinedQuestions),
			fmt.Sprintf("to_register: %d ", p.Questions.ToRegister), fmt.Sprintf("to_reset: %d ", p.Questions.ToReset),
		},
		method.TemporaryAccessPass: {
			fmt.Sprintf("| code | %d letters and digits, %d minutes, once", pass.Length, pass.DefaultMinutes),
			fmt.Sprintf("{length: %d, default_minutes: %d, min_minutes: %d, max_minutes: %d, one_time: %v}", pass.Length, pass.DefaultMinutes, pass.MinMinutes, pass.MaxMinutes, pass.OneTime),
			fmt.Sprintf("Register within %s minutes", inWords[minutes(signin.FreshFor)]),
		},
	} {
		text, _ := pageOfMethod(t, k)
		for _, want := range sentences {
			if !strings.Contains(text, want) {
				t.Errorf("docs/methods/%s.md does not say %q", pagesOfMethods[k], want)
			}
		}
	}
}
