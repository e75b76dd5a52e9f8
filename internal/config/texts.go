package config

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Texts is a text that a file gives once for everybody (under the key ""), or
// once for each language.
type Texts map[string]string

// In is the text in a language; where there is none, the one for everybody, and
// where there is none either, the first by language.
func (t Texts) In(lang string) string {
	for _, key := range append([]string{lang, ""}, slices.Sorted(maps.Keys(t))...) {
		if text, ok := t[key]; ok {
			return text
		}
	}
	return ""
}

// String is the text as one line of a list of changes.
func (t Texts) String() string {
	if text, ok := t[""]; ok && len(t) == 1 {
		return text
	}
	var parts []string
	for _, lang := range slices.Sorted(maps.Keys(t)) {
		parts = append(parts, lang+": "+t[lang])
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// MarshalJSON writes one text, or an object by language.
func (t Texts) MarshalJSON() ([]byte, error) {
	if text, ok := t[""]; ok && len(t) == 1 {
		return json.Marshal(text)
	}
	return json.Marshal(map[string]string(t))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Texts) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*t = Texts{"": text}
		return nil
	}
	return json.Unmarshal(data, (*map[string]string)(t))
}

func decodeTexts(node *yaml.Node, v reflect.Value, key string, faults *Faults) {
	refuse := func(node *yaml.Node, key string) {
		*faults = append(*faults, Fault{Line: node.Line, Key: key, Text: "expected a text, or a text for each language, such as {id: …, en: …}", Code: "texts"})
	}
	if node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
		v.Set(reflect.ValueOf(Texts{"": node.Value}))
		return
	}
	if node.Kind != yaml.MappingNode || len(node.Content) == 0 {
		refuse(node, key)
		return
	}
	texts := Texts{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		_, twice := texts[name.Value]
		if name.Value == "" || twice || value.Kind != yaml.ScalarNode || value.Tag == "!!null" {
			refuse(name, key)
			return
		}
		texts[name.Value] = value.Value
	}
	v.Set(reflect.ValueOf(texts))
}

func encodeTexts(t Texts) *yaml.Node {
	if text, ok := t[""]; ok && len(t) == 1 {
		return scalar("!!str", text)
	}
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, lang := range slices.Sorted(maps.Keys(t)) {
		node.Content = append(node.Content, scalar("!!str", lang), scalar("!!str", t[lang]))
	}
	return node
}
