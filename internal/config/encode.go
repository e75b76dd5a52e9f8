package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Encode writes a struct as the YAML document that Decode reads back. A field
// with omitzero in its tag is left out where it says nothing.
func Encode(v any) ([]byte, error) {
	data, err := yaml.Marshal(encode(reflect.ValueOf(v)))
	if err != nil {
		return nil, fmt.Errorf("writing YAML: %w", err)
	}
	return data, nil
}

// EncodeJSON writes what Encode writes, as JSON with the same keys.
func EncodeJSON(v any) ([]byte, error) {
	data, err := Encode(v)
	if err != nil {
		return nil, err
	}
	var plain any
	if err := yaml.Unmarshal(data, &plain); err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	return json.MarshalIndent(plain, "", "  ")
}

func encode(v reflect.Value) *yaml.Node {
	if v.Type() == durationType {
		return scalar("!!str", Duration(time.Duration(v.Int())))
	}
	if t, ok := v.Interface().(Texts); ok {
		return encodeTexts(t)
	}
	switch v.Kind() {
	case reflect.Struct:
		node := &yaml.Node{Kind: yaml.MappingNode}
		for i := range v.NumField() {
			if name := KeyOf(v.Type().Field(i)); name != "" && !(v.Field(i).IsZero() && omitsZero(v.Type().Field(i))) {
				node.Content = append(node.Content, scalar("!!str", name), encode(v.Field(i)))
			}
		}
		return node
	case reflect.Slice:
		node := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			node.Content = append(node.Content, encode(v.Index(i)))
		}
		if v.Len() == 0 || v.Type().Elem().Kind() == reflect.String {
			node.Style = yaml.FlowStyle
		}
		return node
	case reflect.Bool:
		return scalar("!!bool", strconv.FormatBool(v.Bool()))
	case reflect.Int, reflect.Int64:
		return scalar("!!int", strconv.FormatInt(v.Int(), 10))
	default:
		return scalar("!!str", v.String())
	}
}

func omitsZero(f reflect.StructField) bool {
	return strings.Contains(f.Tag.Get("json"), ",omitzero")
}

func scalar(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

// Duration is a time as a file has it: 24h, not 24h0m0s.
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
