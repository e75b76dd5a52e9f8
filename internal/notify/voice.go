package notify

import (
	"encoding/xml"
	"slices"
	"strings"
)

// group is how many digits are said in one breath: what somebody keeps in mind
// while they write.
const group = 4

// spoken is a code as somebody hears it who writes it down: word by word, with a
// pause after every few, and the whole twice.
func (c composer) spoken(code Code) []string {
	purpose, end := oneOf(code.Purpose, purposes...), "notify.voice.end"
	if purpose == PurposeCaller {
		end = "notify.voice.caller.end"
	}
	var words, slow []string
	for _, r := range digits(code.Code) {
		if r >= '0' && r <= '9' {
			words = append(words, c.t("notify.voice.digit."+string(r)))
		}
	}
	for left := (len(words) + group - 1) / group; left > 0; left-- { // groups as even as they can be
		n := (len(words) + left - 1) / left
		slow, words = append(slow, strings.Join(words[:n], ", ")+"."), words[n:]
	}
	return slices.Concat([]string{c.t("notify.voice." + purpose)}, slow, []string{c.t("notify.voice.again")}, slow, []string{c.t(end)})
}

// voices are how a call sounds. Where a language is not listed, English is spoken.
var voices = map[string]say{
	"id": {Language: "id-ID", Voice: "Google.id-ID-Standard-A"},
	"en": {Language: "en-US"},
}

type say struct {
	XMLName  xml.Name `xml:"Say"`
	Language string   `xml:"language,attr"`
	Voice    string   `xml:"voice,attr,omitempty"`
	Text     string   `xml:",chardata"`
}

type pause struct {
	XMLName xml.Name `xml:"Pause"`
	Length  int      `xml:"length,attr"`
}

// twiml is the call as Twilio's markup: a second of silence first, because a
// phone is answered before it is at the ear.
func twiml(p Phone) (string, error) {
	how, ok := voices[p.Lang]
	if !ok {
		how = voices["en"]
	}
	response := struct {
		XMLName xml.Name `xml:"Response"`
		Parts   []any
	}{Parts: []any{pause{Length: 1}}}
	for _, part := range p.Spoken {
		one := how
		one.Text = part
		response.Parts = append(response.Parts, one, pause{Length: 1})
	}
	data, err := xml.Marshal(response)
	return string(data), err
}
