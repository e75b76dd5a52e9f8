package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	for _, url := range []string{"", "mysql://x", "sqlite:", "sqlite::memory:", "postgres://127.0.0.1:1/none", "sqlite:/no/such/folder/x.db"} {
		if db, err := store.Open(t.Context(), url, store.Options{}); err == nil {
			_ = db.Close()
			t.Errorf("%q opened", url)
		}
	}
}

// What is in the file is the owner's alone, whatever name the path has.
func TestANewFileIsPrivate(t *testing.T) {
	for _, name := range []string{"kunci.db", "with space?and=query#mark%41.db"} {
		dir := t.TempDir()
		db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, name), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != 3 || files[0].Name() != name { // and its -shm and -wal
			t.Errorf("%q: the folder holds %v", name, files)
		}
		for _, f := range files {
			info, err := f.Info()
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has the mode %v", f.Name(), info.Mode())
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A commit is on disk when Write returns, and a reader never waits for a writer.
func TestSQLiteIsOpenedForKeeps(t *testing.T) {
	db := storetest.Open(t, store.SQLite, store.Options{})
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000",
	} {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			var got string
			if err := tx.QueryRow(t.Context(), `PRAGMA `+pragma).Scan(&got); err != nil {
				return err
			}
			if got != want {
				t.Errorf("%s is %s, want %s", pragma, got, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAddressesOfManyShapesOpenOneDatabase(t *testing.T) {
	t.Chdir(t.TempDir())
	absolute, err := filepath.Abs("a.db")
	if err != nil {
		t.Fatal(err)
	}
	for i, url := range []string{"sqlite:a.db", "sqlite:./a.db", "sqlite:" + absolute} {
		db, err := store.Open(t.Context(), url, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		applied, err := db.Migrate(t.Context())
		if err != nil || (len(applied) > 0) != (i == 0) {
			t.Errorf("%s: applied %v, error %v", url, applied, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
