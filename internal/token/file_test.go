package token

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/method"
)

const hexSeed = "3132333435363738393031323334353637383930" // 12345678901234567890
const base32Seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

func TestRowsOfAFile(t *testing.T) {
	const head = "upn,serial number,secret key,time interval,manufacturer,model"
	for _, c := range []struct {
		name, header, row string
		want              method.Token
		column, reason    string
	}{
		{"as Entra writes it", head, "alain@contoso.com,1001,2234567abcdef2234567abcdef234567,30,Contoso,HardwareKey",
			method.Token{Serial: "1001", Manufacturer: "Contoso", Model: "HardwareKey", OATH: method.AppOATH}, "", ""},
		{"base32", head, ",1001," + base32Seed + ",60,,", method.Token{Serial: "1001", OATH: method.OATH{Algorithm: method.SHA1, Digits: 6, Period: 60}}, "", ""},
		{"base32 in groups", head, ",1001,gezd gnbv gy3t qojq gezd gnbv gy3t qojq,30,,", method.Token{Serial: "1001", OATH: method.AppOATH}, "", ""},
		{"hexadecimal", head, ",1001," + hexSeed + ",,,", method.Token{Serial: "1001", OATH: method.AppOATH}, "", ""},
		{"a counter", "serial,secret,type,counter,digits,algorithm", "1001," + hexSeed + ",HOTP,7,8,HMAC-SHA-256",
			method.Token{Serial: "1001", LastStep: 6, OATH: method.OATH{Counter: true, Algorithm: method.SHA256, Digits: 8}}, "", ""},
		{"a new counter", "Serial_Number,Secret-Key,type", "1001," + hexSeed + ",hotp",
			method.Token{Serial: "1001", LastStep: -1, OATH: method.OATH{Counter: true, Algorithm: method.SHA1, Digits: 6}}, "", ""},
		{"no serial", head, ",," + hexSeed + ",30,,", method.Token{}, colSerial, ReasonMissing},
		{"a serial that acts", head, ",10\x1b[2J01," + hexSeed + ",30,,", method.Token{}, colSerial, ReasonSerial},
		{"a long serial", head, "," + strings.Repeat("1", 65) + "," + hexSeed + ",30,,", method.Token{}, colSerial, ReasonSerial},
		{"no secret", head, ",1001,,30,,", method.Token{}, colSecret, ReasonMissing},
		{"80 bits", head, ",1001,GEZDGNBVGY3TQOJQ,30,,", method.Token{}, colSecret, ReasonSecret},
		{"too long", head, ",1001," + strings.Repeat("ab", 129) + ",30,,", method.Token{}, colSecret, ReasonSecret},
		{"no secret at all", head, ",1001,!!!!,30,,", method.Token{}, colSecret, ReasonSecret},
		{"45 seconds", head, ",1001," + hexSeed + ",45,,", method.Token{}, colInterval, ReasonInterval},
		{"a clock with a counter", "serial,secret,counter", "1001," + hexSeed + ",1", method.Token{}, colCounter, ReasonCounter},
		{"a counter below nothing", "serial,secret,type,counter", "1001," + hexSeed + ",hotp,-1", method.Token{}, colCounter, ReasonCounter},
		{"a counter beyond all", "serial,secret,type,counter", "1001," + hexSeed + ",hotp,9223372036854775807", method.Token{}, colCounter, ReasonCounter},
		{"another type", "serial,secret,type", "1001," + hexSeed + ",ocra", method.Token{}, colType, ReasonType},
		{"seven digits", "serial,secret,digits", "1001," + hexSeed + ",7", method.Token{}, colDigits, ReasonDigits},
		{"MD5", "serial,secret,algorithm", "1001," + hexSeed + ",MD5", method.Token{}, colAlgorithm, ReasonAlgorithm},
		{"an unshown model", head, ",1001," + hexSeed + ",30,,a\u202eb", method.Token{}, colModel, ReasonText},
		{"a field too few", head, ",1001," + hexSeed, method.Token{}, "", ReasonFieldCount},
		{"a lost quotation mark", head, ",1001,\"" + hexSeed, method.Token{}, "", ReasonSyntax},
	} {
		good, bad, err := read(strings.NewReader("\ufeff" + c.header + "\n" + c.row + "\n"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.reason != "" {
			if len(good) != 0 || len(bad) != 1 || bad[0] != (BadRow{2, c.column, c.reason}) {
				t.Errorf("%s: good %d, bad %+v", c.name, len(good), bad)
			}
			continue
		}
		if len(bad) != 0 || len(good) != 1 {
			t.Errorf("%s: %+v", c.name, bad)
			continue
		}
		got := good[0].token
		if len(got.Seed) < 16 || c.row != "" && strings.Contains(c.name, "base32") && string(got.Seed) != "12345678901234567890" {
			t.Errorf("%s: a secret of %d bytes", c.name, len(got.Seed))
		}
		got.Seed = nil
		if fmt.Sprintf("%+v", got.OATH) != fmt.Sprintf("%+v", c.want.OATH) || got.Serial != c.want.Serial || got.Model != c.want.Model ||
			got.Manufacturer != c.want.Manufacturer || got.LastStep != c.want.LastStep {
			t.Errorf("%s: %+v %s, want %+v", c.name, got.OATH, got.Serial, c.want.OATH)
		}
	}
}

func TestAFileThatCannotBeUsed(t *testing.T) {
	for text, want := range map[string]BadRow{
		"":                                  {1, "", ReasonHeader},
		"serial,secret,colour\n1,2,3\n":     {1, "colour", ReasonUnknownColumn},
		"serial,secret,Serial Number\n":     {1, colSerial, ReasonColumnTwice},
		"upn,secret\n":                      {1, colSerial, ReasonMissing},
		"serial\n":                          {1, colSecret, ReasonMissing},
		"\"serial,secret\n1001,abcdef\nx\n": {1, "", ReasonSyntax},
	} {
		_, _, err := read(strings.NewReader(text))
		var bad *FileError
		if !errors.As(err, &bad) || bad.Rows[0] != want {
			t.Errorf("%q: %v, want %+v", text, err, want)
		}
	}
	again := "serial,secret\n1001," + hexSeed + "\n1001," + hexSeed + "\n"
	good, bad, err := read(strings.NewReader(again))
	if err != nil || len(good) != 1 || len(bad) != 1 || bad[0].Reason != ReasonSerialTwice {
		t.Errorf("%d good, %+v, %v", len(good), bad, err)
	}
}

func FuzzTokenFile(f *testing.F) {
	f.Add("upn,serial number,secret key,time interval,manufacturer,model\na@b.c,1," + hexSeed + ",30,x,y\n")
	f.Add("serial,secret,type,counter\n1," + base32Seed + ",hotp,5\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		good, bad, err := read(strings.NewReader(text))
		if err != nil && (len(good) > 0 || len(bad) > 0) {
			t.Fatalf("rows beside %v", err)
		}
		for _, w := range good {
			if err := w.token.OATH.Check(); err != nil {
				t.Fatal(err)
			}
			if n := len(w.token.Seed); n < method.MinSeed || n > method.MaxSeed || w.token.Serial == "" || w.token.LastStep < -1 || !shown(w.token.Serial, 64) {
				t.Fatalf("%q gave a token with a secret of %d bytes", text, n)
			}
		}
		for _, b := range bad {
			if b.Line < 1 || b.Reason == "" {
				t.Fatalf("%+v", b)
			}
		}
	})
}
