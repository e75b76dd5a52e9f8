package page

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/contrast"
	"kunci.dev/kunci/internal/problem"
)

// Contrast is judged against the grounds that pages really have.
func TestContrastKnowsTheGroundsOfTheStyleSheet(t *testing.T) {
	css, err := os.ReadFile("static/kunci.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, found := strings.Cut(strings.SplitN(string(css), "* {", 2)[0], "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("the style sheet begins otherwise")
	}
	for _, c := range []struct {
		text string
		dark bool
	}{{light, false}, {dark, true}} {
		grounds := contrast.Grounds(c.dark)
		text := strings.ReplaceAll(c.text, "#fff;", "#ffffff;")
		if len(grounds) != 2 || !strings.Contains(text, "--paper: "+grounds[0]) || !strings.Contains(text, "--ground: "+grounds[1]) {
			t.Errorf("dark %v: the grounds are %v, the style sheet says otherwise:\n%s", c.dark, grounds, c.text)
		}
	}
}

func TestAFormWithAFile(t *testing.T) {
	send := func(parts ...[3]string) (Form, []byte, error) { // field, file name, value
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		for _, p := range parts {
			header := make(map[string][]string)
			header["Content-Disposition"] = []string{`form-data; name="` + p[0] + `"`}
			if p[1] != "" {
				header["Content-Disposition"][0] += `; filename="` + p[1] + `"`
			}
			part, err := w.CreatePart(header)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = part.Write([]byte(p[2]))
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/", &body)
		r.Header.Set("Content-Type", w.FormDataContentType())
		return ReadUpload(r, "logo", 8)
	}
	form, file, err := send([3]string{"name", "", "Contoso"}, [3]string{"logo", "../../etc/passwd", "12345678"})
	if err != nil || form["name"] != "Contoso" || string(file) != "12345678" {
		t.Errorf("%v %q %v", form, file, err)
	}
	if _, file, err := send([3]string{"logo", "", ""}); err != nil || file != nil {
		t.Errorf("no file was chosen: %q %v", file, err)
	}
	for name, c := range map[string]struct {
		parts []([3]string)
		code  problem.Code
	}{
		"too large":             {[][3]string{{"logo", "a.png", "123456789"}}, problem.TooLong},
		"twice":                 {[][3]string{{"logo", "a.png", "1"}, {"logo", "b.png", "2"}}, problem.BadInput},
		"a field twice":         {[][3]string{{"name", "", "1"}, {"name", "", "2"}}, problem.BadInput},
		"a file somewhere else": {[][3]string{{"name", "a.png", "1"}}, problem.BadInput},
		"not UTF-8":             {[][3]string{{"name", "", "\xff"}}, problem.BadInput},
		"a long field":          {[][3]string{{"name", "", strings.Repeat("a", longest+1)}}, problem.TooLong},
		"a long kept file":      {[][3]string{{"logo_kept", "", strings.Repeat("a", 200)}}, problem.TooLong},
	} {
		if _, _, err := send(c.parts...); !problem.Has(err, c.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
