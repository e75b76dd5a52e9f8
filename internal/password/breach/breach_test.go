package breach

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// known are passwords that every list begins with.
var known = []string{"123456", "password", "qwerty123", "iloveyou", "letmein", "sayang", "bismillah", "P@ssw0rd", "café", "with space"}

func hashOf(pw string) string {
	sum := sha1.Sum([]byte(pw))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// hashes is a list as Have I Been Pwned orders it, each seen as often as told.
func hashes(seen int, passwords ...string) string {
	var lines []string
	for _, pw := range passwords {
		lines = append(lines, fmt.Sprintf("%s:%d", hashOf(pw), seen))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\r\n") + "\r\n"
}

func many(n int, what string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%d", what, i)
	}
	return all
}

func built(t testing.TB, list string, o BuildOptions) (string, Report) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pwned.kbf")
	r, err := Build(path, strings.NewReader(list), o)
	if err != nil {
		t.Fatal(err)
	}
	return path, r
}

func opened(t testing.TB, path string) *Filter {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func found(t testing.TB, f *Filter, pw string) bool {
	t.Helper()
	is, err := f.Contains(pw)
	if err != nil {
		t.Fatal(err)
	}
	return is
}

func TestEveryPasswordOfTheListIsFound(t *testing.T) {
	list := append(many(5000, "breached"), known...)
	for name, text := range map[string]string{
		"hashes with counts": hashes(3, list...),
		"hashes, lower case": strings.ToLower(hashes(3, list...)),
		"hashes alone":       strings.ReplaceAll(hashes(3, list...), ":3", ""),
		"passwords":          strings.Join(list, "\n"),
		"passwords, twice":   "\ufeff" + strings.Join(list, "\r\n") + "\n\n" + strings.Join(list, "\n"),
	} {
		for _, size := range []int{0, 1000, 1, 7} {
			t.Run(fmt.Sprintf("%s in parts of %d", name, size), func(t *testing.T) {
				path, r := built(t, text, BuildOptions{ShardKeys: size})
				if r.Passwords != uint64(len(list)) || r.Hashes != strings.HasPrefix(name, "hashes") {
					t.Errorf("built %+v from %d passwords", r, len(list))
				}
				if info, err := os.Stat(path); err != nil || info.Size() != r.Bytes {
					t.Errorf("%d bytes, told %d, %v", info.Size(), r.Bytes, err)
				}
				if size > 0 && r.Shards < len(list)/(2*size) {
					t.Errorf("%d parts", r.Shards)
				}
				f := opened(t, path)
				if f.Passwords() != r.Passwords || f.Verify() != nil {
					t.Errorf("%d passwords, %v", f.Passwords(), f.Verify())
				}
				for _, pw := range list {
					if !found(t, f, pw) {
						t.Fatalf("%q is not found", pw)
					}
				}
			})
		}
	}
}

// What the page says of others is rarely wrong: one in 256.
func TestOthersAreRarelyFound(t *testing.T) {
	path, _ := built(t, hashes(1, many(100_000, "breached")...), BuildOptions{ShardKeys: 30_000})
	f := opened(t, path)
	wrong, tries := 0, 100_000
	for _, pw := range many(tries, "good") {
		if found(t, f, pw) {
			wrong++
		}
	}
	// 391 are expected, with a deviation of 20.
	if wrong < 290 || wrong > 490 {
		t.Errorf("%d of %d good passwords are found", wrong, tries)
	}
	t.Logf("%.2f %% of good passwords are found", 100*float64(wrong)/float64(tries))
}

func TestRareOnesCanBeLeftOut(t *testing.T) {
	lines := strings.Fields(hashes(1, many(200, "rare")...) + hashes(9, known...))
	slices.Sort(lines)
	_, r := built(t, strings.Join(lines, "\n"), BuildOptions{AtLeast: 9})
	if r.Passwords != uint64(len(known)) {
		t.Errorf("%d passwords, want the %d that were seen often", r.Passwords, len(known))
	}
}

func TestAListThatIsNoneIsRefused(t *testing.T) {
	sorted := strings.Fields(hashes(1, known...))
	for name, c := range map[string]struct{ list, want string }{
		"nothing":            {"", "no password"},
		"blank lines":        {"\n\n\n", "no password"},
		"not sorted":         {sorted[3] + "\n" + sorted[1] + "\n", "line 2 of the list: the hashes are not sorted"},
		"a word in between":  {sorted[0] + "\npassword\n", "line 2 of the list is no SHA-1"},
		"a count of letters": {sorted[0] + "\n" + hashOf("z") + ":many\n", "line 2 of the list is no SHA-1"},
		"cut off":            {sorted[0] + "\n" + sorted[1][:20], "line 2 of the list is no SHA-1"},
		"an endless line":    {strings.Repeat("a", longestLine+1), "longer than any password"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, "pwned.kbf")
			if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Build(path, strings.NewReader(c.list), BuildOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if strings.Contains(fmt.Sprint(err), sorted[0][:20]) {
				t.Error("a hash is shown")
			}
			if left, _ := os.ReadFile(path); string(left) != "before" {
				t.Errorf("the filter before is gone: %q", left)
			}
			if files, _ := os.ReadDir(folder); len(files) != 1 {
				t.Errorf("half a filter is left: %v", files)
			}
		})
	}
}

func TestADamagedFileIsRefused(t *testing.T) {
	path, _ := built(t, hashes(1, many(3000, "breached")...), BuildOptions{ShardKeys: 500})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		harm func([]byte) []byte
		want error
	}{
		"empty":            {func([]byte) []byte { return nil }, errNotAFilter},
		"something else":   {func([]byte) []byte { return []byte(strings.Repeat("text ", 100)) }, errNotAFilter},
		"a header alone":   {func(b []byte) []byte { return b[:headerSize] }, errDamaged},
		"cut short":        {func(b []byte) []byte { return b[:len(b)-1] }, errDamaged},
		"one byte more":    {func(b []byte) []byte { return append(b, 0) }, errDamaged},
		"a changed header": {func(b []byte) []byte { b[9] ^= 1; return b }, errDamaged},
		"a changed index":  {func(b []byte) []byte { b[len(b)-entrySize] ^= 1; return b }, errDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			bad := filepath.Join(t.TempDir(), "bad.kbf")
			if err := os.WriteFile(bad, c.harm(slices.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(bad)
			if err == nil || !strings.Contains(err.Error(), c.want.Error()) || !strings.Contains(err.Error(), bad) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	t.Run("gone", func(t *testing.T) {
		if _, err := Open(filepath.Join(t.TempDir(), "gone")); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a changed fingerprint", func(t *testing.T) {
		bad := filepath.Join(t.TempDir(), "bad.kbf")
		harmed := slices.Clone(whole)
		harmed[headerSize] ^= 1
		if err := os.WriteFile(bad, harmed, 0o600); err != nil {
			t.Fatal(err)
		}
		f := opened(t, bad)
		if f.Verify() == nil {
			t.Error("it is found sound")
		}
		damaged, sound := 0, 0
		for _, pw := range many(3000, "breached") {
			// What a sound part says still holds, what a damaged one says never does.
			switch is, err := f.Contains(pw); {
			case err != nil:
				damaged++
			case is:
				sound++
			default:
				t.Fatalf("%q is not found", pw)
			}
		}
		if damaged < 400 || damaged > 1200 || sound+damaged != 3000 {
			t.Errorf("%d fall into the damaged part, %d do not", damaged, sound)
		}
	})
}

// Whoever copies over the file instead of replacing it takes its bytes away
// under a running node: an error, and not the end of the process.
func TestAFileCutShortUnderneathIsAnError(t *testing.T) {
	path, _ := built(t, hashes(1, many(50_000, "breached")...), BuildOptions{})
	f := opened(t, path)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Contains("password"); err == nil {
		t.Error("a file without bytes answers")
	}
	if f.Verify() == nil {
		t.Error("a file without bytes is sound")
	}
}

func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed.kbf")
	for _, size := range []int{0, 3} {
		if _, err := Build(path, strings.NewReader(strings.Join(known, "\n")), BuildOptions{ShardKeys: size}); err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// With the checksum made right, so that what is behind it is reached.
		if len(data) >= headerSize {
			data = slices.Clone(data)
			index := min(uint64(data[16])|uint64(data[17])<<8, uint64(len(data)))
			copy(data[summed:headerSize], digest(data[:summed], data[index:]))
		}
		_, shards, err := parse(data)
		if err != nil {
			return
		}
		for i := range shards {
			for _, k := range []uint64{0, 1, shards[i].first, 1<<64 - 1} {
				shards[i].filter.Contains(k) // reads nothing outside the file
			}
		}
	})
}

func FuzzBuild(f *testing.F) {
	f.Add(hashes(1, known...))
	f.Add(strings.Join(known, "\n"))
	f.Add("\ufeff\r\n:\n")
	f.Fuzz(func(t *testing.T, list string) {
		path := filepath.Join(t.TempDir(), "x.kbf")
		r, err := Build(path, strings.NewReader(list), BuildOptions{ShardKeys: 2})
		if err != nil {
			return
		}
		g, err := Open(path)
		if err != nil || g.Verify() != nil || g.Passwords() != r.Passwords || r.Passwords == 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
