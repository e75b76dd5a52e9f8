package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

// InitOptions are what a new installation is given; an empty value takes the default.
type InitOptions struct {
	Config    string // path of the file to write
	PublicURL string
	Listen    string
	Database  string
	SMTP      string // HOST:PORT
}

// Init makes a new installation: its keys, its configuration and its
// database. It overwrites nothing, and what it made is taken away again when
// it cannot finish. It gives the configuration as it was read back.
func Init(ctx context.Context, o InitOptions) (c *config.Config, err error) {
	wanted, err := o.settings()
	if err != nil {
		return nil, err
	}
	folder := filepath.Dir(o.Config)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, fmt.Errorf("the folder of the configuration cannot be made: %w", err)
	}
	keyset := filepath.Join(folder, wanted.Keyset)
	database := sqlitePath(folder, wanted.Database)
	for _, there := range []struct{ what, path string }{{"configuration", o.Config}, {"keyset", keyset}, {"database", database}} {
		if there.path == "" {
			continue
		}
		if _, err := os.Lstat(there.path); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the %s %s is there already and is not overwritten; choose another folder, or go on with: kunci migrate --config %s",
				there.what, there.path, o.Config)
		}
	}
	// Only what this call made is taken away again: another run may have made
	// the same files since they were looked for. Whoever makes the keyset, which
	// is never overwritten, is the one that goes on.
	var made []string
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAll(made...))
		}
	}()
	keys, err := secret.Generate()
	if err != nil {
		return nil, err
	}
	if err := keys.Write(keyset); err != nil {
		return nil, err
	}
	made = append(made, keyset)
	if err := config.Write(o.Config, wanted); err != nil {
		return nil, err
	}
	made = append(made, o.Config)
	if database != "" {
		made = append(made, database, database+"-wal", database+"-shm")
	}
	if c, err = config.Load(o.Config, nil); err != nil {
		return nil, err
	}
	return c, fill(ctx, c)
}

// settings are the defaults with what was asked for.
func (o InitOptions) settings() (config.Config, error) {
	c := config.Defaults()
	if o.Config == "" {
		return c, errors.New("name the configuration to write, such as --config kunci.yaml")
	}
	for into, value := range map[*string]string{&c.PublicURL: o.PublicURL, &c.Listen: o.Listen, &c.Database: o.Database} {
		if value != "" {
			*into = value
		}
	}
	if o.SMTP != "" {
		host, port, err := net.SplitHostPort(o.SMTP)
		if err != nil {
			return c, errors.New("expected the mail server with its port, such as --smtp smtp.contoso.com:587")
		}
		c.SMTP.Host = host
		if c.SMTP.Port, err = strconv.Atoi(port); err != nil {
			return c, errors.New("expected the mail server's port as a number, such as --smtp smtp.contoso.com:587")
		}
		// The ports that were set aside for the two ways of TLS (RFC 8314, 3.3).
		switch c.SMTP.Port {
		case 465:
			c.SMTP.TLS = "tls"
		case 587:
			c.SMTP.TLS = "starttls"
		}
	}
	if faults := c.Check(); len(faults) > 0 {
		return c, faults
	}
	return c, nil
}

// fill makes an empty database one of this version. One that holds an
// installation already belongs to other keys.
func fill(ctx context.Context, c *config.Config) (err error) {
	db, err := store.Open(ctx, c.Database, store.Options{})
	if err != nil {
		return fmt.Errorf("the database cannot be opened: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	pending, err := db.Pending(ctx)
	if err != nil {
		return err
	}
	all, err := store.Migrations(db.Kind())
	if err != nil {
		return err
	}
	if len(pending) < len(all) {
		return errors.New("the database holds an installation already, which needs its own keyset: bring its configuration and keyset here, or name another database")
	}
	_, err = migrate(ctx, db)
	return err
}

// Migrate brings the database to this version and tells what was applied.
func Migrate(ctx context.Context, c *config.Config) (applied []string, err error) {
	db, err := store.Open(ctx, c.Database, store.Options{})
	if err != nil {
		return nil, fmt.Errorf("the database cannot be opened: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return migrate(ctx, db)
}

// migrate brings the queue's tables along first: a database without pending
// migrations has them.
func migrate(ctx context.Context, db *store.DB) ([]string, error) {
	if err := jobs.Migrate(ctx, db); err != nil {
		return nil, err
	}
	return db.Migrate(ctx)
}

// sqlitePath is the file of a SQLite database, seen from a folder; empty for another one.
func sqlitePath(folder, database string) string {
	path, ok := strings.CutPrefix(database, "sqlite:")
	if !ok {
		return ""
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	return path
}

func removeAll(paths ...string) error {
	var all []error
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}
