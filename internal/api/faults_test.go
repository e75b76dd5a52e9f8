package api

import (
	"fmt"
	"testing"

	"github.com/danielgtaylor/huma/v2/validation"
)

// What the library says of what was sent has a sentence in every language; only what
// no schema of ours can bring about has the one for the rest.
func TestTheLibrarysSentencesAreOurs(t *testing.T) {
	for message, want := range map[string]string{
		validation.MsgUnexpectedProperty:                               "name_unknown",
		fmt.Sprintf(validation.MsgExpectedRequiredProperty, "user_id"): "missing",
		validation.MsgExpectedString:                                   "text",
		validation.MsgExpectedBoolean:                                  "boolean",
		validation.MsgExpectedInteger:                                  "number",
		validation.MsgExpectedNumber:                                   "number",
		validation.MsgExpectedArray:                                    "array",
		validation.MsgExpectedObject:                                   "object",
		fmt.Sprintf(validation.MsgExpectedOneOf, "csv, ndjson"):        "one_of",
		fmt.Sprintf(validation.MsgExpectedMinimumNumber, 1):            "least",
		fmt.Sprintf(validation.MsgExpectedMaximumNumber, 200):          "most",
		fmt.Sprintf(validation.MsgExpectedMinLength, 1):                "shortest",
		fmt.Sprintf(validation.MsgExpectedMaxLength, 320):              "longest",
		fmt.Sprintf(validation.MsgExpectedMaxItems, 200):               "items_most",
		validation.MsgExpectedRFC3339DateTime:                          "moment",
		validation.MsgExpectedRFC5890Hostname:                          "shape",
	} {
		if f := faultOf(message); f.Code != want {
			t.Errorf("%s: %s", message, f.Code)
		}
	}
}
