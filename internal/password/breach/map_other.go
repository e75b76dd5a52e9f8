//go:build !unix

package breach

import "os"

// mapped reads the whole file: these systems have no mmap in Go's library.
func mapped(path string) (data []byte, release func() error, err error) {
	data, err = os.ReadFile(path)
	return data, func() error { return nil }, err
}
