package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/password/breach"
)

func (c *cli) breachCommand() *cobra.Command {
	return group("breach", "The offline filter of breached passwords", c.breachBuild(), c.breachCheck())
}

func (c *cli) breachBuild() *cobra.Command {
	var out, from string
	var o breach.BuildOptions
	cmd := c.withJSON(&cobra.Command{
		Use: "build --out FILE [--from FILE|-]", Short: "Make the filter from a list of breached passwords",
		Long: `Reads a list and writes the filter that a node opens (breach.filter). The list is
either lines HASH:COUNT sorted by hash, as Have I Been Pwned hands out its SHA-1
hashes, or passwords, one on a line. A filter takes 1.13 bytes for each password.

A node that has the filter opens the new one by itself.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if out == "" {
				return misuse(cmd, "name the file to write: --out FILE")
			}
			list, size, err := openList(cmd, from)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, list.Close()) }()
			p := newProgress(cmd.ErrOrStderr(), "MiB")
			o.Progress = func(bytes int64) { p.show(bytes>>20, size>>20) }
			r, err := breach.Build(out, list, o)
			p.end()
			if err != nil {
				return err
			}
			if c.json {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return say(cmd.OutOrStdout(), "%s knows %s (%.2f bytes for each). Name it at breach.filter.",
				out, plural(int64(r.Passwords), "password", "passwords"), float64(r.Bytes)/float64(r.Passwords))
		},
	})
	cmd.Flags().StringVar(&out, "out", "", "filter to write; replaced when it is there")
	cmd.Flags().StringVar(&from, "from", "-", "list to read; - is standard input")
	cmd.Flags().IntVar(&o.AtLeast, "at-least", 0, "leave out hashes that were seen less often")
	return cmd
}

// openList gives a list with its size, 0 when nobody knows it.
func openList(cmd *cobra.Command, from string) (io.ReadCloser, int64, error) {
	if from == "-" {
		return io.NopCloser(cmd.InOrStdin()), 0, nil
	}
	file, err := os.Open(from)
	if err != nil {
		return nil, 0, fmt.Errorf("the list cannot be read: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func (c *cli) breachCheck() *cobra.Command {
	var path string
	cmd := c.withJSON(&cobra.Command{
		Use: "check [--filter FILE]", Short: "Say whether a password is known from a breach",
		Long: `Reads a password from standard input, on a terminal without showing it, and says
whether the filter has it. The exit code is 0 when it has not and 1 when it has.
About one password in 256 that was never in a breach is found too.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if path == "" {
				settings, err := c.load()
				if err != nil {
					return err
				}
				if path = settings.Breach.Filter; path == "" {
					return misuse(cmd, "name the filter: --filter FILE, or breach.filter in the configuration")
				}
			}
			f, err := breach.Open(path)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			password, err := readPassword(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			found, err := f.Contains(password)
			if err != nil {
				return fmt.Errorf("the filter of breached passwords %s: %w", path, err)
			}
			text := "not found"
			if found {
				text = "found: this password is known from a breach"
			}
			if c.json {
				err = printJSON(cmd.OutOrStdout(), map[string]bool{"found": found})
			} else {
				err = say(cmd.OutOrStdout(), "%s", text)
			}
			if err == nil && found {
				return errTold
			}
			return err
		},
	})
	cmd.Flags().StringVar(&path, "filter", "", "filter to ask (default: breach.filter of the configuration)")
	return cmd
}

// readPassword reads one line. A terminal is asked to show nothing meanwhile.
func readPassword(ctx context.Context, in io.Reader, ask io.Writer) (string, error) {
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Mode()&os.ModeDevice != 0 {
			if err := terminal(f, "-echo"); err != nil {
				return "", errors.New("this terminal cannot be told to hide what is typed; hand the password over standard input")
			}
			defer func() {
				_ = terminal(f, "echo") // the shell sets it again besides
				fmt.Fprintln(ask)
			}()
			fmt.Fprint(ask, "Password (not shown): ")
		}
	}
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(in, 64<<10)).ReadString('\n')
		read <- result{strings.TrimRight(line, "\r\n"), err}
	}()
	select {
	case <-ctx.Done(): // Ctrl-C; the terminal is set back
		return "", errors.New("no password was read")
	case r := <-read:
		if r.err != nil && !errors.Is(r.err, io.EOF) {
			return "", fmt.Errorf("the password cannot be read: %w", r.err)
		}
		if r.line == "" {
			return "", errors.New("there is no password on standard input")
		}
		return r.line, nil
	}
}

// terminal tells a terminal how to behave.
func terminal(f *os.File, how string) error {
	stty := exec.Command("stty", how) //nolint:gosec // how is one of ours
	stty.Stdin = f
	return stty.Run()
}
