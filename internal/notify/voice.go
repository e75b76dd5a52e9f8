package notify

import (
	"encoding/xml"
	"strings"
)

// spoken is a code as somebody hears it: word by word, twice.
func (c composer) spoken(code Code) []string {
	purpose := oneOf(code.Purpose, purposes...)
	var words []string
	for _, r := range digits(code.Code) {
		if r >= '0' && r <= '9' {
			words = append(words, c.t("notify.voice.digit."+string(r)))
		}
	}
	slow, end := strings.Join(words, ", ")+".", "notify.voice.end"
	if purpose == PurposeCaller {
		end = "notify.voice.caller.end"
	}
	return []string{c.t("notify.voice." + purpose), slow, c.t("notify.voice.again"), slow, c.t(end)}
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
