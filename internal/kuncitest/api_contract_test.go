package kuncitest_test

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// document is the part of openapi.json that answers are held to.
type document struct {
	Paths      map[string]map[string]documented
	Components struct {
		Schemas map[string]schema
	}
}

type documented struct {
	OperationID string
	Parameters  []struct{ Name string }
	RequestBody *struct {
		Content map[string]struct{ Schema schema }
	}
	Responses map[string]struct {
		Headers map[string]any
		Content map[string]struct{ Schema schema }
	}
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Enum       []any
	Format     string
	Required   []string
	Properties map[string]schema
	Items      *schema
	More       *others `json:"additionalProperties"`
}

// others are the properties that a schema does not name: none, or of a schema.
type others struct {
	none bool
	of   schema
}

// UnmarshalJSON reads false, or a schema.
func (o *others) UnmarshalJSON(data []byte) error {
	if o.none = string(data) == "false"; o.none || string(data) == "true" {
		return nil
	}
	return json.Unmarshal(data, &o.of)
}

// checkedIn is openapi.json as it is handed to developers.
var checkedIn = sync.OnceValue(func() (d document) {
	data, err := os.ReadFile("../api/openapi.json")
	if err == nil {
		err = json.Unmarshal(data, &d)
	}
	if err != nil {
		panic(err)
	}
	return d
})

func (d document) resolved(s schema) schema {
	if s.Ref == "" {
		return s
	}
	return d.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
}

// types reads the type of a schema, or those of one that has several.
func types(v any) (all []string) {
	if one, ok := v.(string); ok {
		return []string{one}
	}
	list, _ := v.([]any)
	for _, one := range list {
		text, _ := one.(string)
		all = append(all, text)
	}
	return all
}

// typeOf is JSON Schema's name of what was read.
func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

// misfit tells what of a value is not as its schema says; empty: nothing.
func (d document) misfit(s schema, v any, at string) string {
	s = d.resolved(s)
	is := typeOf(v)
	if all := types(s.Type); len(all) > 0 && !slices.Contains(all, is) && (is != "integer" || !slices.Contains(all, "number")) {
		return fmt.Sprintf("%s is %s and not %v", at, is, all)
	}
	if len(s.Enum) > 0 && v != nil && !slices.ContainsFunc(s.Enum, func(one any) bool { return reflect.DeepEqual(one, v) }) {
		return fmt.Sprintf("%s is %v and none of %v", at, v, s.Enum)
	}
	switch v := v.(type) {
	case string:
		if s.Format == "date-time" {
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				return at + " is no time"
			}
		}
	case []any:
		for i, one := range v {
			if s.Items == nil {
				break
			}
			if wrong := d.misfit(*s.Items, one, at+"/"+strconv.Itoa(i)); wrong != "" {
				return wrong
			}
		}
	case map[string]any:
		return d.misfitObject(s, v, at)
	}
	return ""
}

func (d document) misfitObject(s schema, v map[string]any, at string) string {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			return at + "/" + name + " is missing"
		}
	}
	for name, one := range v {
		of, known := s.Properties[name]
		switch {
		case known:
		case s.More != nil && s.More.none:
			return at + "/" + name + " is not documented"
		case s.More != nil:
			of = s.More.of
		default:
			continue
		}
		if wrong := d.misfit(of, one, at+"/"+name); wrong != "" {
			return wrong
		}
	}
	return ""
}

// operation finds what the document says of an address; a part that is spelled out
// goes before one that is a parameter.
func (d document) operation(method, path string) (o documented, ok bool) {
	asked := strings.Split(path, "/")
	best := len(asked) + 1
	for pattern, item := range d.Paths {
		parts := strings.Split(pattern, "/")
		one, has := item[strings.ToLower(method)]
		if !has || len(parts) != len(asked) {
			continue
		}
		free, fits := 0, true
		for i, part := range parts {
			switch {
			case strings.HasPrefix(part, "{"):
				free++
				fits = fits && asked[i] != ""
			case part != asked[i]:
				fits = false
			}
		}
		if fits && free < best {
			o, ok, best = one, true, free
		}
	}
	return o, ok
}

// asDocumented holds an answer of the API to the document: its status, its kind, and
// everything in it. Whatever a test asks for is held to it.
func asDocumented(t *testing.T, method, address string, got answer) {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(at.Path, "/api/v1/") {
		return
	}
	d := checkedIn()
	o, ok := d.operation(method, at.EscapedPath())
	if !ok {
		if got.status < 300 && method != http.MethodHead {
			t.Errorf("%s %s is answered with %d and is not documented", method, at.Path, got.status)
		}
		return
	}
	response, ok := o.Responses[strconv.Itoa(got.status)]
	if !ok && got.status >= 400 {
		response, ok = o.Responses["default"]
	}
	kind, _, _ := mime.ParseMediaType(got.header.Get("Content-Type")) // none where there is no body
	content, described := response.Content[kind]
	switch {
	case !ok:
		t.Errorf("%s: status %d is not documented", o.OperationID, got.status)
	case got.body == "" && len(response.Content) == 0:
	case !described:
		t.Errorf("%s: %d %q is not documented: %.100s", o.OperationID, got.status, kind, got.body)
	case kind == "application/json", kind == "application/problem+json":
		var v any
		if err := json.Unmarshal([]byte(got.body), &v); err != nil {
			t.Errorf("%s: %d is no JSON: %v", o.OperationID, got.status, err)
		} else if wrong := d.misfit(content.Schema, v, ""); wrong != "" {
			t.Errorf("%s: %d is not as documented: %s", o.OperationID, got.status, wrong)
		}
	}
}
