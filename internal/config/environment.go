package config

import (
	"reflect"
	"strconv"
	"strings"
)

// overlay sets the keys that the environment names: KUNCI_SMTP_HOST is
// smtp.host; lists are separated by commas.
func overlay(v reflect.Value, prefix string, environment []string) Faults {
	values := make(map[string]string)
	for _, entry := range environment {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, "KUNCI_") {
			values[name] = value
		}
	}
	return overlayStruct(v, prefix, values)
}

func overlayStruct(v reflect.Value, prefix string, values map[string]string) Faults {
	var faults Faults
	for i := range v.NumField() {
		key := KeyOf(v.Type().Field(i))
		if key == "" {
			continue
		}
		name := prefix + "_" + strings.ToUpper(key)
		field := v.Field(i)
		if field.Kind() == reflect.Struct {
			faults = append(faults, overlayStruct(field, name, values)...)
			continue
		}
		value, ok := values[name]
		if !ok {
			continue
		}
		switch field.Kind() {
		case reflect.Int:
			n, err := strconv.Atoi(value)
			if err != nil {
				faults = append(faults, Fault{Key: name, Text: "expected a whole number"})
			}
			field.SetInt(int64(n))
		case reflect.Slice:
			var list []string
			for item := range strings.SplitSeq(value, ",") {
				if item = strings.TrimSpace(item); item != "" {
					list = append(list, item)
				}
			}
			field.Set(reflect.ValueOf(list))
		default:
			field.SetString(value)
		}
	}
	return faults
}
