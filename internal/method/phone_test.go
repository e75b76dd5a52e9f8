package method

import (
	"strings"
	"testing"

	"kunci.dev/kunci/internal/problem"
)

func TestParsePhone(t *testing.T) {
	const none = problem.Code("")
	for _, c := range []struct {
		kind                Kind
		typed, region, want string
		refused             problem.Code
	}{
		// What people write for one Indonesian mobile phone.
		{MobilePhone, "0812-3456-7890", "ID", "+6281234567890", none},
		{MobilePhone, "+62 812 3456 7890", "", "+6281234567890", none},
		{MobilePhone, "62 812 3456 7890", "ID", "+6281234567890", none},
		{MobilePhone, "0062 812 3456 7890", "ID", "+6281234567890", none},
		{MobilePhone, "812 3456 7890", "ID", "+6281234567890", none},
		{MobilePhone, "+62 (0) 812 3456 7890", "ID", "+6281234567890", none},
		{MobilePhone, "(0812) 3456.7890", "ID", "+6281234567890", none},
		{MobilePhone, "tel:+62-812-3456-7890", "ID", "+6281234567890", none},
		{MobilePhone, "＋６２　８１２－３４５６－７８９０", "ID", "+6281234567890", none},
		{MobilePhone, "٠٨١٢٣٤٥٦٧٨٩٠", "ID", "+6281234567890", none},
		{MobilePhone, "\u202a+62 812 3456 7890\u202c", "ID", "+6281234567890", none},
		{MobilePhone, "0812\u00a03456\u20117890", "ID", "+6281234567890", none},
		// Other countries.
		{MobilePhone, "+1 425 555 0100", "ID", "+14255550100", none}, // fixed line or mobile: nobody can tell
		{MobilePhone, "(604) 234-5678", "CA", "+16042345678", none},
		{MobilePhone, "07400 123456", "GB", "+447400123456", none},
		{MobilePhone, "0151 23456789", "DE", "+4915123456789", none},
		{MobilePhone, "090-1234-5678", "JP", "+819012345678", none},
		{MobilePhone, "+65 8123 4567", "", "+6581234567", none},
		{MobilePhone, "+39 312 345 6789", "", "+393123456789", none},
		// A fixed line receives no text.
		{MobilePhone, "021 555 0100", "ID", "", problem.PhoneNotMobile},
		{MobilePhone, "+44 20 7946 0958", "", "", problem.PhoneNotMobile},
		{MobilePhone, "+49 30 123456", "", "", problem.PhoneNotMobile},
		{MobilePhone, "+81 3 1234 5678", "", "", problem.PhoneNotMobile},
		// What fraud lives on.
		{MobilePhone, "+1 900 234 5678", "", "", problem.PhoneCost},
		{MobilePhone, "+44 70 1234 5678", "", "", problem.PhoneCost},
		{MobilePhone, "+44 909 879 0000", "", "", problem.PhoneCost},
		{MobilePhone, "+44 333 234 5678", "", "", problem.PhoneCost},
		{OfficePhone, "+49 900 1 123456", "", "", problem.PhoneCost},
		{OfficePhone, "+49 180 5 123456", "", "", problem.PhoneCost},
		{OfficePhone, "0809 1 123 456", "ID", "", problem.PhoneCost},
		{OfficePhone, "+62 800 123 4567", "", "", problem.PhoneCost},
		{OfficePhone, "+1 800 234 5678", "", "", problem.PhoneCost},
		{OfficePhone, "1500888", "ID", "", problem.PhoneCost},
		// No numbers of people.
		{MobilePhone, "112", "ID", "", problem.PhoneInvalid},
		{MobilePhone, "911", "US", "", problem.PhoneInvalid},
		{MobilePhone, "999", "GB", "", problem.PhoneInvalid},
		{MobilePhone, "12345", "DE", "", problem.PhoneInvalid},
		{MobilePhone, "+62 812", "", "", problem.PhoneInvalid},
		{MobilePhone, "+62 813 9999 9999 9999", "", "", problem.PhoneInvalid},
		{MobilePhone, "+999 1234 5678", "", "", problem.PhoneInvalid},
		{MobilePhone, "+0812 3456 789", "ID", "", problem.PhoneInvalid},
		{MobilePhone, "0812 3456 7890", "", "", problem.PhoneInvalid},
		{MobilePhone, "1-800-FLOWERS", "US", "", problem.PhoneInvalid},
		{MobilePhone, "62+8123456789", "ID", "", problem.PhoneInvalid},
		{MobilePhone, "", "ID", "", problem.PhoneInvalid},
		{MobilePhone, "\xff0812", "ID", "", problem.PhoneInvalid},
		{MobilePhone, strings.Repeat("0", 65), "ID", "", problem.PhoneInvalid},
		// Extensions.
		{OfficePhone, "+62 21 555 0100", "", "+62215550100", none},
		{OfficePhone, "(021) 555-0100 ext. 12", "ID", "+62215550100x12", none},
		{OfficePhone, "021 5550100 pesawat 12", "ID", "+62215550100x12", none},
		{OfficePhone, "021 5550100 pes. 12", "ID", "+62215550100x12", none},
		{OfficePhone, "021 5550100#12", "ID", "+62215550100x12", none},
		{OfficePhone, "tel:+62215550100;ext=12", "", "+62215550100x12", none},
		{OfficePhone, "+62 21 555 0100 x ١٢", "", "+62215550100x12", none},
		{OfficePhone, "0812 3456 7890", "ID", "+6281234567890", none}, // the office may be a mobile phone
		{OfficePhone, "+62 21 555 0100x", "", "", problem.PhoneInvalid},
		{OfficePhone, "+62 21 555 0100x12a", "", "", problem.PhoneInvalid},
		{OfficePhone, "+62 21 555 0100x12345678901", "", "", problem.PhoneInvalid},
		{MobilePhone, "+62 812 3456 7890x12", "", "", problem.PhoneInvalid},
		{MobilePhone, "+1 (425) 555-0100;ext=9", "", "", problem.PhoneInvalid},
	} {
		got, err := ParsePhone(c.kind, c.typed, c.region)
		refusal, _ := problem.As(err)
		if got != c.want || (err == nil) != (c.refused == none) || err != nil && (refusal.Code != c.refused || refusal.Field != "phone") {
			t.Errorf("%s %q (%s): %q, %v; want %q, %q", c.kind, c.typed, c.region, got, err, c.want, c.refused)
		}
	}
}

func TestNormalizePhoneGuessesNothing(t *testing.T) {
	if got, err := NormalizePhone("+62 812 3456 7890", false); err != nil || got != "+6281234567890" {
		t.Errorf("%q, %v", got, err)
	}
	for _, typed := range []string{"0812 3456 7890", "62 812 3456 7890", "+62 812 3456 7890x12"} {
		if got, err := NormalizePhone(typed, false); !problem.Has(err, problem.PhoneInvalid) {
			t.Errorf("%q is %q, %v", typed, got, err)
		}
	}
	if got, err := NormalizePhone("+62 21 555 0100x12", true); err != nil || got != "+62215550100x12" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestPhoneRegion(t *testing.T) {
	for _, c := range []struct {
		countries      []string
		language, want string
	}{
		{nil, "id", "ID"}, {nil, "en", ""}, {[]string{"SG", "ID"}, "id", "SG"},
	} {
		if got := PhoneRegion(c.countries, c.language); got != c.want {
			t.Errorf("%v, %s: %q", c.countries, c.language, got)
		}
	}
}

// The country is the number's own: neighbours share a code, and some of them
// are where the expensive numbers are.
func TestPhoneAllowed(t *testing.T) {
	for _, c := range []struct {
		value     string
		countries []string
		want      bool
	}{
		{"+6281234567890", []string{"ID"}, true},
		{"+6281234567890", []string{"SG", "MY"}, false},
		{"+62215550100x12", []string{"ID"}, true},
		{"+14255550100", []string{"US"}, true},
		{"+18762345678", []string{"US", "CA"}, false}, // Jamaica
		{"+447624123456", []string{"GB"}, false},      // Isle of Man
		{"+870773111632", []string{"ID", "US"}, false},
		{"+6281234567890", nil, false},
	} {
		if got := PhoneAllowed(c.value, c.countries); got != c.want {
			t.Errorf("%s in %v: %v (it is in %q)", c.value, c.countries, got, PhoneCountry(c.value))
		}
	}
	if !KnownCountry("ID") || KnownCountry("ZZ") || KnownCountry("") || KnownCountry("id") {
		t.Error("countries are known wrongly")
	}
}

func TestSamePhone(t *testing.T) {
	for _, c := range []struct {
		stored, typed string
		want          bool
	}{
		{"+6281234567890", "0812 3456 7890", true},
		{"+6281234567890", "+62 812-3456-7890", true},
		{"+6281234567890", "٠٨١٢٣٤٥٦٧٨٩٠", true},
		{"+6281234567890", "0812 3456 7891", false},
		{"+6281234567890", "+1 425 555 0100", false},
		{"+6281234567890", "90", false},
		{"+6281234567890", "7890", false},
		{"+6281234567890", "0812 3456 7890 x1", false},
		{"+14255550100", "425-555-0100", true},
		{"+62215550100x12", "021 5550100", true},
		{"+62215550100x12", "021 5550100 ext 12", true},
		{"+62215550100x12", "021 5550100 ext 13", false},
		{"+62215550100x12", "021 5550101 ext 12", false},
	} {
		if got, err := SamePhone(c.stored, c.typed); got != c.want || err != nil {
			t.Errorf("%s, typed %q: %v, %v", c.stored, c.typed, got, err)
		}
	}
	for _, typed := range []string{"", "my phone", "+", "0812x"} {
		if same, err := SamePhone("+6281234567890", typed); same || !problem.Has(err, problem.PhoneInvalid) {
			t.Errorf("%q: %v, %v", typed, same, err)
		}
	}
}

func FuzzParsePhone(f *testing.F) {
	for _, s := range []string{"0812-3456-7890", "+62 812 3456 7890", "tel:+62215550100;ext=12", "00", "+", "x", "#", "1-800-FLOWERS", "٠٨١٢", "+1 (900) 234-5678"} {
		f.Add(s, "ID")
	}
	f.Fuzz(func(t *testing.T, typed, region string) {
		for _, k := range []Kind{MobilePhone, OfficePhone} {
			got, err := ParsePhone(k, typed, region)
			if err != nil {
				if _, ok := problem.As(err); !ok || got != "" {
					t.Fatalf("%q: %q, %v", typed, got, err)
				}
				continue
			}
			if again, err := ParsePhone(k, got, ""); again != got || err != nil {
				t.Fatalf("%q gives %q, which gives %q, %v", typed, got, again, err)
			}
			if same, err := SamePhone(got, got); !same || err != nil {
				t.Fatalf("%q is not itself: %v", got, err)
			}
			e164, extension := SplitPhone(got)
			if len(e164) < 6 || len(e164) > 19 || e164[0] != '+' || strings.Trim(e164[1:]+extension, "0123456789") != "" || k == MobilePhone && extension != "" {
				t.Fatalf("%q gives %q", typed, got)
			}
		}
	})
}
