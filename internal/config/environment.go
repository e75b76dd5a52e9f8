package config

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// environment is what KUNCI_… variables say: KUNCI_SMTP_HOST is smtp.host;
// lists are separated by commas. Other variables with the prefix are left
// alone: Kubernetes makes some for a service of this name.
type environment struct {
	values map[string]string
	// used has the variable that set each key.
	used   map[string]string
	faults Faults
}

func newEnvironment(entries []string) *environment {
	e := &environment{values: make(map[string]string), used: make(map[string]string)}
	for _, entry := range entries {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, "KUNCI_") {
			e.values[name] = value
		}
	}
	return e
}

// overlay sets the keys below key that the environment names.
func (e *environment) overlay(v reflect.Value, key string) {
	for i := range v.NumField() {
		name := KeyOf(v.Type().Field(i))
		if name == "" {
			continue
		}
		full := strings.TrimPrefix(key+"."+name, ".")
		field := v.Field(i)
		if field.Kind() == reflect.Struct {
			e.overlay(field, full)
			continue
		}
		variable := "KUNCI_" + strings.ToUpper(strings.ReplaceAll(full, ".", "_"))
		if value, ok := e.values[variable]; ok {
			e.used[full] = variable
			e.set(field, variable, value)
		}
	}
}

func (e *environment) set(field reflect.Value, variable, value string) {
	if field.Type() == durationType {
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			e.faults = append(e.faults, Fault{Key: variable, Text: `expected a time such as "24h", "10m" or "30s"`})
			return
		}
		field.SetInt(int64(d))
		return
	}
	switch field.Kind() {
	case reflect.Int:
		n, err := strconv.Atoi(value)
		if err != nil {
			e.faults = append(e.faults, Fault{Key: variable, Text: "expected a whole number"})
			return
		}
		field.SetInt(int64(n))
	case reflect.Bool:
		yes, err := strconv.ParseBool(value)
		if err != nil {
			e.faults = append(e.faults, Fault{Key: variable, Text: "expected true or false"})
			return
		}
		field.SetBool(yes)
	case reflect.Slice:
		list := reflect.MakeSlice(field.Type(), 0, 0)
		for item := range strings.SplitSeq(value, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			one := reflect.New(field.Type().Elem()).Elem()
			e.set(one, variable, item)
			list = reflect.Append(list, one)
		}
		field.Set(list)
	default:
		field.SetString(value)
	}
}
