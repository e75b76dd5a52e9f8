package page

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"kunci.dev/kunci/internal/problem"
)

// Kept is the field in which a form sends a file again that came with the page
// before, as text: browsers empty the field of a file.
func Kept(file string) string { return file + "_kept" }

// ReadUpload is ReadForm for a form with one file. most bounds the file, in bytes;
// it comes back nil where none was chosen. A part that is sent as a file under
// another name is refused, as is a file that is sent twice.
func ReadUpload(r *http.Request, file string, most int) (Form, []byte, error) {
	parts, err := r.MultipartReader()
	if errors.Is(err, http.ErrNotMultipart) {
		form, err := ReadForm(r)
		return form, nil, err
	}
	if err != nil {
		return nil, nil, problem.New(problem.BadInput).Because(err)
	}
	form, data := make(Form), []byte(nil)
	seen := make(map[string]bool)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return form, data, nil
		}
		if err != nil {
			return nil, nil, tooLong(err, file)
		}
		name := part.FormName()
		if name == "" || len(name) > 64 || strings.ContainsAny(name, "[]") || seen[name] || (part.FileName() != "") && name != file {
			return nil, nil, problem.New(problem.BadInput).On(file)
		}
		seen[name] = true
		if name == file {
			if data, err = readPart(part, file, most); err != nil {
				return nil, nil, err
			}
			continue
		}
		bound := longest
		if name == Kept(file) {
			bound = most/3*4 + 128 // in base64, after its media type
		}
		value, err := readPart(part, name, bound)
		if err != nil {
			return nil, nil, err
		}
		if !Plain(string(value)) {
			return nil, nil, problem.New(problem.BadInput).On(name)
		}
		form[name] = string(value)
	}
}

func readPart(part *multipart.Part, name string, most int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(part, int64(most)+1))
	if err != nil {
		return nil, tooLong(err, name)
	}
	if len(data) > most {
		return nil, problem.New(problem.TooLong).On(name)
	}
	if len(data) == 0 {
		return nil, nil
	}
	return data, nil
}

func tooLong(err error, name string) error {
	if errors.As(err, new(*http.MaxBytesError)) {
		return problem.New(problem.TooLong).On(name)
	}
	return problem.New(problem.BadInput).On(name).Because(err)
}
