// Package storetest gives tests an open, migrated, empty database of either
// engine, and a clock they hold. Tests only.
//
// PostgreSQL is the cluster that "make parts" starts; without it a test fails
// and says so. Each test has a database of its own, copied from a template.
package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/store"
)

// Kinds are the engines that every room runs on.
var Kinds = []store.Kind{store.SQLite, store.PostgreSQL}

// Each runs fn as a subtest on both engines, at the same time.
func Each(t *testing.T, fn func(t *testing.T, db *store.DB)) {
	t.Helper()
	for _, kind := range Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			fn(t, Open(t, kind, store.Options{}))
		})
	}
}

// EachClock is Each with a clock that stands still until the test moves it.
func EachClock(t *testing.T, fn func(t *testing.T, db *store.DB, clock *Clock)) {
	t.Helper()
	for _, kind := range Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			clock := NewClock()
			fn(t, Open(t, kind, store.Options{Now: clock.Now}), clock)
		})
	}
}

// Open gives a migrated, empty database that goes with the test.
func Open(t testing.TB, kind store.Kind, o store.Options) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), URL(t, kind), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	return db
}

// URL gives the address of a migrated, empty database, for tests that open it
// several times, as several nodes would.
func URL(t testing.TB, kind store.Kind) string {
	t.Helper()
	if kind == store.SQLite {
		return sqliteURL(t)
	}
	return postgresURL(t)
}

// template makes a migrated SQLite file once a process; tests copy it.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "kunci-template")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "template.db")
	if err := migrate("sqlite:" + path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func migrate(url string) error {
	ctx := context.Background()
	db, err := store.Open(ctx, url, store.Options{})
	if err != nil {
		return err
	}
	_, err = db.Migrate(ctx)
	if err == nil {
		err = jobs.Migrate(ctx, db)
	}
	return errors.Join(err, db.Close())
}

func sqliteURL(t testing.TB) string {
	t.Helper()
	data, err := template()
	if err != nil {
		t.Fatalf("making the SQLite template: %v", err)
	}
	path := filepath.Join(t.TempDir(), "kunci.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

// Cluster is the address of the PostgreSQL cluster for tests.
func Cluster(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("KUNCI_TEST_POSTGRES"); url != "" {
		return url
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, ".parts", "postgres.url"))
		if err == nil {
			return strings.TrimSpace(string(data))
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no PostgreSQL for tests is running; run: make parts")
		}
		dir = parent
	}
}

func postgresURL(t testing.TB) string {
	t.Helper()
	cluster := Cluster(t)
	from, err := postgresTemplate(cluster)
	if err != nil {
		t.Fatalf("making the PostgreSQL template: %v (is the cluster running? make parts)", err)
	}
	return create(t, cluster, " TEMPLATE "+from)
}

// EmptyURL gives the address of a PostgreSQL database without a table, as
// "kunci init" expects it.
func EmptyURL(t testing.TB) string {
	t.Helper()
	return create(t, Cluster(t), "")
}

// create makes a database that goes with the test.
func create(t testing.TB, cluster, how string) string {
	t.Helper()
	name := "t_" + strings.ReplaceAll(store.NewID(), "-", "")
	if err := admin(cluster, `CREATE DATABASE `+name+how); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin(cluster, fmt.Sprintf(`DROP DATABASE IF EXISTS %s WITH (FORCE)`, name)); err != nil {
			t.Errorf("dropping %s: %v", name, err)
		}
	})
	return database(cluster, name)
}

func database(cluster, name string) string {
	return cluster[:strings.LastIndex(cluster, "/")+1] + name
}

var templates sync.Map // cluster address → func() (string, error)

// postgresTemplate makes the migrated template once for this state of the
// migrations; other test processes find it and use it.
func postgresTemplate(cluster string) (string, error) {
	once, _ := templates.LoadOrStore(cluster, sync.OnceValues(func() (string, error) { return makeTemplate(cluster) }))
	return once.(func() (string, error))()
}

func makeTemplate(cluster string) (string, error) {
	sum, err := store.MigrationsSum(store.PostgreSQL)
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(fmt.Sprint(sum, jobs.SchemaVersion())))
	name := "template_" + hex.EncodeToString(hash[:8])
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, cluster)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	// Test processes start together; one makes the template, the others wait for it.
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(7217)`); err != nil {
		return "", err
	}
	if err := sweep(ctx, conn, name); err != nil {
		return "", err
	}
	var there int
	if err := conn.QueryRow(ctx, `SELECT COUNT(*) FROM pg_database WHERE datname = $1`, name).Scan(&there); err != nil {
		return "", err
	}
	if there == 1 {
		return name, nil
	}
	making := "making_" + name
	for _, statement := range []string{`DROP DATABASE IF EXISTS ` + making + ` WITH (FORCE)`, `CREATE DATABASE ` + making} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return "", err
		}
	}
	if err := migrate(database(cluster, making)); err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, `ALTER DATABASE `+making+` RENAME TO `+name)
	return name, err
}

// stale is the age at which nobody can be using a test's database any more: no
// test process is given that long.
const stale = time.Hour

// sweep drops what killed test processes left, and templates of migrations of
// days ago.
func sweep(ctx context.Context, conn *pgx.Conn, current string) error {
	rows, err := conn.Query(ctx, `SELECT datname, COALESCE((pg_stat_file('base/' || oid || '/PG_VERSION', true)).modification, now())
		FROM pg_database WHERE datname LIKE 't\_%' OR datname LIKE 'template\_%'`)
	if err != nil {
		return err
	}
	type database struct {
		Name string
		Made time.Time
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[database])
	if err != nil {
		return err
	}
	for _, d := range all {
		age := time.Since(d.Made)
		if d.Name == current || age < stale || strings.HasPrefix(d.Name, "template_") && age < 24*stale {
			continue
		}
		if _, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+d.Name+` WITH (FORCE)`); err != nil {
			return err
		}
	}
	return nil
}

func admin(cluster, statement string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, cluster)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// Clock is a clock that a test holds. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock starts at eight in the morning of 23 November 2026, UTC.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
}

// Now is the time the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Set moves the clock to a time.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}
