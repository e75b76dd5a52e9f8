package api

import (
	"regexp"

	"kunci.dev/kunci/internal/config"
)

// libraryFaults are the library's sentences about what was sent, each with the
// sentence of the catalogues that says the same, and what its parts are called there.
var libraryFaults = []struct {
	pattern *regexp.Regexp
	code    string
	part    string
}{
	{regexp.MustCompile(`^unexpected property$`), "name_unknown", ""},
	{regexp.MustCompile(`^unknown query parameter$`), "parameter_unknown", ""},
	{regexp.MustCompile(`^expected required property (\w+) to be present$`), "missing", "name"},
	{regexp.MustCompile(`^required (?:header|query|path) parameter is missing$|^request body is required$`), "missing_here", ""},
	{regexp.MustCompile(`^expected string$`), "text", ""},
	{regexp.MustCompile(`^expected boolean$|^invalid boolean$`), "boolean", ""},
	{regexp.MustCompile(`^expected (?:number|integer)$|^invalid integer$`), "number", ""},
	{regexp.MustCompile(`^expected array$`), "array", ""},
	{regexp.MustCompile(`^expected object$`), "object", ""},
	{regexp.MustCompile(`^expected value to be one of "(.*)"$`), "one_of", "choices"},
	{regexp.MustCompile(`^expected number >= (\d+)$`), "least", "least"},
	{regexp.MustCompile(`^expected number <= (\d+)$`), "most", "most"},
	{regexp.MustCompile(`^expected length >= (\d+)$`), "shortest", "least"},
	{regexp.MustCompile(`^expected length <= (\d+)$`), "longest", "most"},
	{regexp.MustCompile(`^expected array length <= (\d+)$`), "items_most", "most"},
	{regexp.MustCompile(`^expected string to be RFC 3339 date-time$|^invalid date/time for format `), "moment", ""},
}

// faultAt is faultOf, with what to do where a header is missing that most clients
// do not send by themselves.
func faultAt(location, message string) config.Fault {
	f := faultOf(message)
	if f.Code == "missing_here" && location == "header.If-Match" {
		f.Code = "if_match"
	}
	return f
}

// faultOf is a sentence of the library as one of the catalogues.
func faultOf(message string) config.Fault {
	for _, one := range libraryFaults {
		found := one.pattern.FindStringSubmatch(message)
		if found == nil {
			continue
		}
		f := config.Fault{Code: one.code}
		if one.part != "" {
			f.Args = map[string]any{one.part: found[1]}
		}
		return f
	}
	return config.Fault{Code: "shape"}
}
