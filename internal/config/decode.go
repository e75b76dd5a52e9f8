package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Fault is one thing that is wrong with a file.
type Fault struct {
	Line int    // 0: nowhere in particular
	Key  string // policy.reset.gates
	Text string // what was expected, in English
	// Code names the sentence in the catalogues (fault.CODE) that Args fill; Text
	// is the English one. A fault that only a file can have may lack it.
	Code string
	Args map[string]any
}

// String is the fault in one plain sentence.
func (f Fault) String() string {
	where := f.Key
	if f.Line > 0 {
		where = strings.TrimSuffix(fmt.Sprintf("line %d, %s", f.Line, f.Key), ", ")
	}
	if where == "" {
		return f.Text
	}
	return where + ": " + f.Text
}

// In is what was expected, in the language whose sentences words gives by key; in
// English where the fault has no sentence.
func (f Fault) In(words interface {
	TMap(key string, args map[string]any) string
}) string {
	if f.Code == "" {
		return f.Text
	}
	return words.TMap("fault."+f.Code, f.Args)
}

// Faults are all that is wrong with a file, as one error.
type Faults []Fault

// Error lists every fault on a line of its own.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Document is one YAML document of a file, read but not yet understood.
type Document struct{ root *yaml.Node }

// maxFile bounds what is read: a file written by hand is far smaller.
const maxFile = 4 << 20

// Read splits a file into its documents.
func Read(r io.Reader) ([]Document, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, Faults{{Text: "the file is larger than 4 MiB"}}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var all []Document
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, Faults{{Line: lineIn(err), Text: "this is not YAML: check indentation, quotes and colons around here", Code: "yaml"}}
		}
		if len(node.Content) == 1 {
			all = append(all, Document{node.Content[0]})
		}
	}
}

var lineNumber = regexp.MustCompile(`line (\d+)`)

// lineIn finds the line that the YAML library names; its words are for programmers.
func lineIn(err error) int {
	if match := lineNumber.FindStringSubmatch(err.Error()); match != nil {
		if n, err := strconv.Atoi(match[1]); err == nil {
			return n
		}
	}
	return 0
}

// Text reads one top-level text of a document before the rest is understood;
// empty when it is not there.
func (d Document) Text(path ...string) string {
	node := d.root
	for _, name := range path {
		node = child(node, name)
	}
	if node == nil || node.Kind != yaml.ScalarNode {
		return ""
	}
	return node.Value
}

// Has tells whether a key is in the document.
func (d Document) Has(path ...string) bool { return d.line(path) != nil }

// Line is where a key stands in the file; 0 when it is not there.
func (d Document) Line(path ...string) int {
	if node := d.line(path); node != nil {
		return node.Line
	}
	return 0
}

func (d Document) line(path []string) *yaml.Node {
	node := d.root
	for _, name := range path {
		if node = child(node, name); node == nil {
			return nil
		}
	}
	return node
}

func child(node *yaml.Node, name string) *yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}

// Decode reads the document into a struct. What the document does not name
// keeps the value it has. Keys are the names in the "yaml" or "json" tag, or
// the field's name in lower case. Faults holds everything that is wrong.
func (d Document) Decode(into any) error {
	var faults Faults
	decode(d.root, reflect.ValueOf(into).Elem(), "", &faults)
	if len(faults) > 0 {
		return faults
	}
	return nil
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	textsType    = reflect.TypeFor[Texts]()
)

func decode(node *yaml.Node, v reflect.Value, key string, faults *Faults) {
	refuse := func(code, expected string) {
		*faults = append(*faults, Fault{Line: node.Line, Key: key, Text: expected, Code: code})
	}
	if node.Kind == yaml.AliasNode {
		refuse("alias", "aliases (*name) are not read here; write the value out")
		return
	}
	if v.Type() == durationType {
		d, err := time.ParseDuration(node.Value)
		if node.Kind != yaml.ScalarNode || err != nil || d < 0 {
			refuse("time", `expected a time such as "24h", "10m" or "30s"`)
			return
		}
		v.SetInt(int64(d))
		return
	}
	if v.Type() == textsType {
		decodeTexts(node, v, key, faults)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		decodeStruct(node, v, key, faults)
	case reflect.Slice:
		decodeList(node, v, key, faults)
	case reflect.String:
		if node.Kind != yaml.ScalarNode {
			refuse("text", "expected a text")
			return
		}
		if node.Tag != "!!null" {
			v.SetString(node.Value)
		}
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(node.Value, 10, 64)
		if node.Kind != yaml.ScalarNode || node.Tag != "!!int" || err != nil {
			refuse("number", "expected a whole number")
			return
		}
		v.SetInt(n)
	case reflect.Bool:
		if node.Kind != yaml.ScalarNode || node.Tag != "!!bool" {
			refuse("boolean", "expected true or false")
			return
		}
		v.SetBool(strings.EqualFold(node.Value, "true"))
	default:
		panic("config: a file cannot hold a " + v.Type().String())
	}
}

func decodeList(node *yaml.Node, v reflect.Value, key string, faults *Faults) {
	if node.Tag == "!!null" {
		v.SetZero()
		return
	}
	if node.Kind != yaml.SequenceNode {
		*faults = append(*faults, Fault{Line: node.Line, Key: key, Text: "expected a list, such as [a, b]", Code: "list"})
		return
	}
	list := reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content))
	for i, item := range node.Content {
		decode(item, list.Index(i), fmt.Sprintf("%s[%d]", key, i), faults)
	}
	v.Set(list)
}

func decodeStruct(node *yaml.Node, v reflect.Value, key string, faults *Faults) {
	if node.Tag == "!!null" {
		return
	}
	if node.Kind != yaml.MappingNode {
		*faults = append(*faults, Fault{Line: node.Line, Key: key, Text: "expected keys with values below", Code: "keys"})
		return
	}
	fields := Fields(v.Type())
	seen := make(map[string]bool)
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		full := strings.TrimPrefix(key+"."+name.Value, ".")
		index, ok := fields[name.Value]
		switch {
		case !ok:
			wrong := unknownKey(fields, name.Value)
			wrong.Line, wrong.Key = name.Line, full
			*faults = append(*faults, wrong)
		case seen[name.Value]:
			*faults = append(*faults, Fault{Line: name.Line, Key: full, Text: "this key stands twice", Code: "key_twice"})
		default:
			decode(value, v.Field(index), full, faults)
		}
		seen[name.Value] = true
	}
}

// Fields gives the keys of a struct with the index of their fields.
func Fields(t reflect.Type) map[string]int {
	fields := make(map[string]int)
	for i := range t.NumField() {
		if name := KeyOf(t.Field(i)); name != "" {
			fields[name] = i
		}
	}
	return fields
}

// KeyOf is a field's key in a file; empty when the file cannot set it.
func KeyOf(f reflect.StructField) string {
	if !f.IsExported() {
		return ""
	}
	for _, tag := range []string{"yaml", "json"} {
		if name, _, _ := strings.Cut(f.Tag.Get(tag), ","); name == "-" {
			return ""
		} else if name != "" {
			return name
		}
	}
	return strings.ToLower(f.Name)
}
