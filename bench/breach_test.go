package bench

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"kunci.dev/kunci/internal/password/breach"
)

// breachedPasswords is enough for several parts of a filter.
const breachedPasswords = 4_000_000

// sortedHashes is a list like those that are published, of hashes nobody has a
// password for.
func sortedHashes() *bytes.Reader {
	source := rand.New(rand.NewPCG(1, 2))
	keys := make([]uint64, breachedPasswords)
	for i := range keys {
		keys[i] = source.Uint64()
	}
	slices.Sort(keys)
	var list bytes.Buffer
	sum := make([]byte, 20)
	for _, k := range keys {
		binary.BigEndian.PutUint64(sum, k)
		fmt.Fprintf(&list, "%s:1\n", hex.EncodeToString(sum))
	}
	return bytes.NewReader(list.Bytes())
}

// BenchmarkBreachCheck measures one check of a mapped filter, and how large the
// file is. The goals are 1,000 ns and 1.3 bytes for each password.
func BenchmarkBreachCheck(b *testing.B) {
	path := filepath.Join(b.TempDir(), "pwned.kbf")
	r, err := breach.Build(path, sortedHashes(), breach.BuildOptions{})
	if err != nil {
		b.Fatal(err)
	}
	f, err := breach.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	passwords := make([]string, 1<<16)
	for i := range passwords {
		passwords[i] = fmt.Sprintf("sembilan gajah menari pelan %d", i)
		if _, err := f.Contains(passwords[i]); err != nil {
			b.Fatal(err)
		}
	}
	found := 0
	for n := 0; b.Loop(); n++ {
		if is, _ := f.Contains(passwords[n&(1<<16-1)]); is {
			found++
		}
	}
	b.ReportMetric(float64(r.Bytes)/float64(r.Passwords), "bytes/password")
	b.ReportMetric(100*float64(found)/float64(b.N), "%found-wrongly")
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBreachBuild measures building, a list of hashes at a time.
func BenchmarkBreachBuild(b *testing.B) {
	list := sortedHashes()
	b.SetBytes(list.Size())
	for b.Loop() {
		if _, err := list.Seek(0, 0); err != nil {
			b.Fatal(err)
		}
		if _, err := breach.Build(filepath.Join(b.TempDir(), "pwned.kbf"), list, breach.BuildOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
