package api

import (
	"encoding/json"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
)

// policyDocument is a policy with the keys of an organization's file. Its schema is
// made from the keys that config reads, and not from how Go would write them: a time
// is "24h", and a text is one for everybody or one for each language.
type policyDocument struct{ json.RawMessage }

const policySchema = "Policy"

// Schema describes the document once, under a name.
func (policyDocument) Schema(all huma.Registry) *huma.Schema {
	if all.Map()[policySchema] == nil {
		s := keysOf(reflect.TypeFor[org.Policy](), "")
		s.Description = "With the keys of an organization's file. Where one is sent, a key that is not named has its preset's value."
		all.Map()[policySchema] = s
	}
	return &huma.Schema{Ref: "#/components/schemas/" + policySchema}
}

// policyBody is a policy where one is sent. What is wrong with it org.ParsePolicy
// says, by key, so the library does not judge it.
func (a *API) policyBody() *huma.RequestBody {
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: policyDocument{}.Schema(a.doc.OpenAPI().Components.Schemas)},
	}}
}

// keysOf is the schema of what config reads into a type; key is where it stands.
func keysOf(t reflect.Type, key string) *huma.Schema {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return &huma.Schema{Type: huma.TypeString, Examples: []any{"24h"}}
	case t == reflect.TypeFor[config.Texts]():
		text := &huma.Schema{Type: huma.TypeString}
		return &huma.Schema{Description: "For everybody, or by language", OneOf: []*huma.Schema{text, {Type: huma.TypeObject, AdditionalProperties: text}}}
	}
	switch t.Kind() {
	case reflect.Struct:
		s := &huma.Schema{Type: huma.TypeObject, Properties: make(map[string]*huma.Schema), AdditionalProperties: false}
		for i := range t.NumField() {
			name := config.KeyOf(t.Field(i))
			if name == "" {
				continue
			}
			below := name
			if key != "" {
				below = key + "." + name
			}
			s.Properties[name] = keysOf(t.Field(i).Type, below)
		}
		return s
	case reflect.Slice:
		return &huma.Schema{Type: huma.TypeArray, Items: keysOf(t.Elem(), key)}
	case reflect.Bool:
		return &huma.Schema{Type: huma.TypeBoolean}
	case reflect.Int:
		return &huma.Schema{Type: huma.TypeInteger}
	default:
		s := &huma.Schema{Type: huma.TypeString}
		for _, choice := range org.PolicyChoices()[key] {
			s.Enum = append(s.Enum, choice)
		}
		return s
	}
}
