package wording_test

import (
	"strings"
	"testing"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/wording"
)

// good is a text of each message that nothing is wrong with.
func good(m wording.Message) wording.Text {
	t := wording.Text{Message: m.Name, Language: "en", Subject: "A word from {{org}}", Text: "Some words."}
	if m.Phone {
		t.Subject, t.Text = "", "{{code}} from {{org}}."
		return t
	}
	for _, v := range m.Variables {
		if v.Required {
			t.Text += "\n\n{{" + v.Name + "}}"
		}
	}
	return t
}

func TestATextIsWordsAndItsOwnVariables(t *testing.T) {
	for _, m := range wording.Messages() {
		if faults := good(m).Check(); len(faults) > 0 {
			t.Errorf("%s: %v", m.Name, faults)
		}
		for _, v := range m.Variables {
			if !v.Required {
				continue
			}
			without := good(m)
			without.Text = strings.ReplaceAll(without.Text, "{{"+v.Name+"}}", "")
			if faults := without.Check(); len(faults) == 0 || !strings.Contains(faults.Error(), "{{"+v.Name+"}}") {
				t.Errorf("%s without %s: %v", m.Name, v.Name, faults)
			}
		}
	}
}

func TestWhatATextMayNotHold(t *testing.T) {
	m, _ := wording.Find("code.reset")
	for name, c := range map[string]struct{ subject, text, code string }{
		"an unknown variable":            {"", "Hello {{password}}", "message_variable"},
		"a variable of another message":  {"", "Hello {{dispute}}", "message_variable"},
		"a call":                         {"", `{{printf "%s" .}}`, "message_variable"},
		"a field":                        {"", "{{.Code}}", "message_variable"},
		"a loop":                         {"", "{{range .}}x{{end}}", "message_variable"},
		"brackets in brackets":           {"", "{{ {{org}} }}", "message_brackets"},
		"an open bracket":                {"", "hello {{org", "message_brackets"},
		"a link":                         {"", "See https://evil.example/x", "message_address"},
		"a link without a scheme":        {"", "See evil.example", "message_address"},
		"a link to nowhere":              {"", "See //evil/", "message_address"},
		"a mail address":                 {"", "Write to x@evil", "message_address"},
		"a host made of a variable":      {"", "See {{org}}.example", "message_address"},
		"a link that carries a variable": {"", "https://evil.example/?c={{user_id}}", "message_address"},
		"a full-width dot":               {"", "See evil．example", "message_address"},
		"the code inside a line":         {"", "Your code: {{code}}", "message_alone"},
		"the code twice":                 {"", "{{code}}", "message_twice"},
		"text that turns around":         {"", "abc \u202e def", "message_characters"},
		"a zero-width space":             {"", "abc\u200bdef", "message_characters"},
		"the code in the subject":        {"Code {{code}}", "", "message_subject_variable"},
		"a user ID in the subject":       {"For {{user_id}}", "", "message_subject_variable"},
		"a header after the subject":     {"Hello\r\nBcc: x", "", "message_subject"},
		"a link in the subject":          {"evil.example", "", "message_address"},
		"no subject":                     {" ", "", "message_subject"},
		"too long a text":                {"", strings.Repeat("x ", wording.LongestText), "message_length"},
		"too many paragraphs":            {"", strings.Repeat("x\n\n", 40), "message_parts"},
	} {
		text := good(m)
		if c.subject != "" {
			text.Subject = c.subject
		}
		text.Text += "\n\n" + c.text
		found := false
		for _, f := range text.Check() {
			found = found || f.Code == c.code
			for _, lang := range i18n.Languages() {
				if said := i18n.For(lang).TMap("fault."+f.Code, f.Args); strings.Contains(said, "fault.") || strings.Contains(said, "<no value>") {
					t.Errorf("%s: %s says %q", name, lang, said)
				}
			}
		}
		if !found {
			t.Errorf("%s: %v", name, text.Check())
		}
	}
	if faults := (wording.Text{Message: "nothing", Language: "xx"}).Check(); len(faults) != 2 {
		t.Errorf("an unknown message in an unknown language: %v", faults)
	}
}

// A time, a sum and a title hold dots that are no address.
func TestWhatIsNoAddress(t *testing.T) {
	for _, s := range []string{"Pukul 08.30.", "Rp 1.000.000", "e. g. this", "Done. Next", "wait…", "50%", "a/b"} {
		if wording.HoldsAddress(s) {
			t.Errorf("%q counts as an address", s)
		}
	}
}

// What a value holds is not looked at again.
func TestAValueIsNotATemplate(t *testing.T) {
	got := wording.Fill("{{org}} {{ user_id }}", func(name string) string { return "<{{" + name + "}}{{org}}>" })
	if got != "<{{org}}{{org}}> <{{user_id}}{{org}}>" {
		t.Error(got)
	}
}

// The sizes are those of 3GPP TS 23.038 and 23.040.
func TestSegments(t *testing.T) {
	for _, c := range []struct {
		text          string
		gsm           bool
		places, parts int
	}{
		{"", true, 0, 0},
		{strings.Repeat("a", 160), true, 160, 1},
		{strings.Repeat("a", 161), true, 161, 2},
		{strings.Repeat("a", 306), true, 306, 2},
		{strings.Repeat("a", 307), true, 307, 3},
		{strings.Repeat("€", 80), true, 160, 1},
		{strings.Repeat("€", 81), true, 162, 2},
		{strings.Repeat("€", 153), true, 306, 3}, // 76 to a part: none is split
		{"é" + strings.Repeat("a", 159), true, 160, 1},
		{"ç", false, 1, 1},
		{strings.Repeat("’", 70), false, 70, 1},
		{strings.Repeat("’", 71), false, 71, 2},
		{strings.Repeat("🔑", 35), false, 70, 1},
		{strings.Repeat("🔑", 36), false, 72, 2},
		{strings.Repeat("🔑", 67), false, 134, 3}, // 33 to a part
		{"@host.test #12345678\n", true, 21, 1},
	} {
		s := wording.SegmentsOf(c.text)
		if s.GSM != c.gsm || s.Places != c.places || s.Parts != c.parts {
			t.Errorf("%.12q × %d: %+v, want %v %d %d", c.text, len([]rune(c.text)), s, c.gsm, c.places, c.parts)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("code.reset", "Hi {{org}}", "{{code}}\n\nhello")
	f.Add("sms.reset", "", "{{code}} {{org}} {{")
	f.Fuzz(func(t *testing.T, name, subject, text string) {
		written := wording.Text{Message: name, Language: "en", Subject: subject, Text: text}
		if len(written.Check()) > 0 {
			return
		}
		m, _ := wording.Find(name)
		for _, p := range m.Parts(text) {
			if filled := wording.Fill(p.Text, func(string) string { return "v" }); strings.Contains(filled, "{{") || wording.HoldsAddress(filled) {
				t.Fatalf("%q becomes %q", p.Text, filled)
			}
		}
	})
}
