package password

import (
	"errors"
	"strings"
	"testing"
)

// samples are hashes of "password" made elsewhere: the vector of the argon2
// reference implementation, libcrypt, openssl, and Python's hashlib.
var samples = map[string]string{
	"argon2id":       "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	"bcrypt":         "$2b$10$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK",
	"scrypt":         "$scrypt$ln=10,r=8,p=1$c29tZXNhbHRzb21lc2FsdA$dj05BT7oUTq35qmxXqG/pksYG8IJr8uxtvAzbfGjoic",
	"pbkdf2-sha256":  "$pbkdf2-sha256$120000$c29tZXNhbHRzb21lc2FsdA$15ZRA5T3zJkaYZ9MDVnRlSBKI9T3cvx234eZUqsdp6U",
	"pbkdf2-sha512":  "$pbkdf2-sha512$120000$c29tZXNhbHRzb21lc2FsdA$XNytv2C02B/dSn.eYAnbTPpaBIehwjl1ALAEniPIdljitz4B9SJNJ3FcCtsZU7oEyq8vfcsdWJf/NHCfaU9REQ",
	"pbkdf2 as PHC":  "$pbkdf2-sha256$i=120000,l=32$c29tZXNhbHRzb21lc2FsdA$15ZRA5T3zJkaYZ9MDVnRlSBKI9T3cvx234eZUqsdp6U",
	"PHC, no length": "$pbkdf2-sha512$i=120000$++++c29tZXNhbHRzb21lcw$XMc5hOk4W3piPQc0MFD7RkA5c/NDrgsZg74VUtH499rxwgbrnN5+GQrKUsPkMzhsedjj6C3FeBjZMQDX0HaDHw",
	"sha512-crypt":   "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
}

func TestImported(t *testing.T) {
	h, _ := hasher(t, cheap)
	for name, encoded := range samples {
		t.Run(name, func(t *testing.T) {
			if err := CheckImported(encoded); err != nil {
				t.Fatal(err)
			}
			if ok, renew := verify(t, h, encoded, "password"); !ok || !renew {
				t.Errorf("right: ok %v renew %v", ok, renew)
			}
			if ok, _ := verify(t, h, encoded, "passwort"); ok {
				t.Error("a wrong one is right")
			}
			renewed, err := h.Renew(t.Context(), "password", []string{encoded})
			if err != nil {
				t.Fatal(err)
			}
			if ok, renew := verify(t, h, renewed, "password"); !ok || renew {
				t.Errorf("renewed: ok %v renew %v", ok, renew)
			}
		})
	}
}

func TestImportedBounds(t *testing.T) {
	const key = "c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObG"
	for name, encoded := range map[string]string{
		"argon2id of 4 TiB":         "$argon2id$v=19$m=4294967295,t=4294967295,p=1$" + key,
		"argon2id of 1 GiB":         "$argon2id$v=19$m=1048576,t=1,p=1$" + key,
		"argon2id without end":      "$argon2id$v=19$m=64,t=1000000,p=1$" + key,
		"argon2id in another order": "$argon2id$v=19$t=1,m=64,p=1$" + key,
		"argon2id, memory twice":    "$argon2id$v=19$m=64,m=4294967295,p=1$" + key,
		"argon2id, too few blocks":  "$argon2id$v=19$m=8,t=1,p=16$" + key,
		"argon2i":                   "$argon2i$v=19$m=64,t=1,p=1$" + key,
		"bcrypt of cost 31":         "$2b$31$GhvMmNVjRW29ulnudl.LbuAnUtN/LRfe1JsBm1Xu6LE3059z5Tr8m",
		"scrypt of 1 TiB":           "$scrypt$ln=30,r=8,p=1$" + key,
		"scrypt of wide blocks":     "$scrypt$ln=16,r=1000000,p=1$" + key,
		"pbkdf2 without end":        "$pbkdf2-sha256$2000000000$" + key,
		"pbkdf2, PHC, without end":  "$pbkdf2-sha256$i=2000000000,l=24$" + key,
		"pbkdf2, another length":    "$pbkdf2-sha256$i=1000,l=32$" + key,
		"pbkdf2, unknown parameter": "$pbkdf2-sha256$i=1000,x=24$" + key,
		"pbkdf2, negative":          "$pbkdf2-sha256$-1$" + key,
		"sha512-crypt without end":  "$6$rounds=999999999$salt$" + strings.Repeat("a", 86),
		"md5-crypt":                 "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
		"plain text":                "$plaintext$password",
		"LDAP scheme":               "{SSHA}abcdef",
		"a password":                "$ecret word",
		"nothing":                   "",
		"very long":                 "$6$salt$" + strings.Repeat("a", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			if err := CheckImported(encoded); !errors.Is(err, ErrUnknownScheme) {
				t.Errorf("taken: %v", err)
			}
		})
	}
}

func TestLooksHashed(t *testing.T) {
	for s, want := range map[string]bool{
		"$6$salt$hash": true, "$argon2id$v=19": true, "$unknown$x": true,
		"$ecret": false, "$$$": false, "$ecret word$x": false, "password$6$": false, "": false,
	} {
		if LooksHashed(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

func FuzzImported(f *testing.F) {
	for _, s := range samples {
		f.Add(s)
	}
	f.Add("$6$rounds=1000$$")
	h, err := New(HasherDeps{Keys: testKeys{key: "one"}, Params: cheap})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		if CheckImported(encoded) != nil {
			return
		}
		// Anything taken must be judged without a fault; bounds keep it short.
		im, err := parseImported(encoded)
		if err == nil && im.memory > maxArgonMemory+1 {
			t.Fatalf("takes %d KiB", im.memory)
		}
		if im.memory < 1024 && len(encoded) < 100 {
			_, _ = h.Try(t.Context(), encoded, "password")
		}
	})
}
