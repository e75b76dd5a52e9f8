package method

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// A slow hash is one text under argon2id with a salt of its own, stored as
// header, salt and output. The header is that of a recovery set.
const slowLength = setHeader + saltBytes + hashBytes

// hashSlowly hashes texts, each under a new salt. It takes one slow hash for
// each; never call it with a transaction open. Too many at once: problem Busy.
func (s *Service) hashSlowly(ctx context.Context, texts ...string) ([][]byte, error) {
	stored := make([][]byte, len(texts))
	for i := range texts {
		stored[i] = make([]byte, setHeader+saltBytes, slowLength)
		stored[i][0], stored[i][1], stored[i][2] = setVersion, setPasses, setLanes
		binary.BigEndian.PutUint32(stored[i][3:], s.memory)
		if _, err := rand.Read(stored[i][setHeader:]); err != nil {
			return nil, fmt.Errorf("slow hash: %w", err)
		}
	}
	out, err := s.hashLike(ctx, stored, texts)
	if err != nil {
		return nil, err
	}
	for i := range stored {
		stored[i] = append(stored[i], out[i]...)
	}
	return stored, nil
}

// hashLike hashes texts, each with the salt and costs of its stored hash.
func (s *Service) hashLike(ctx context.Context, stored [][]byte, texts []string) ([][]byte, error) {
	if len(stored) != len(texts) {
		return nil, errors.New("slow hash: not one text for each")
	}
	release, err := s.slow.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	out := make([][]byte, len(texts))
	for i, h := range stored {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := checkSlow(h); err != nil {
			return nil, err
		}
		out[i] = argon2.IDKey([]byte(texts[i]), h[setHeader:setHeader+saltBytes],
			uint32(h[1]), binary.BigEndian.Uint32(h[3:]), h[2], hashBytes)
	}
	return out, nil
}

// sameHash compares the outputs of hashLike with what is stored: 1 when all are
// right. Every one is compared, whichever is wrong.
func sameHash(stored, out [][]byte) int {
	right := subtle.ConstantTimeEq(int32(len(stored)), int32(len(out)))
	for i := range min(len(stored), len(out)) {
		same := 0
		if len(stored[i]) == slowLength {
			same = subtle.ConstantTimeCompare(stored[i][setHeader+saltBytes:], out[i])
		}
		right &= same
	}
	return right
}

// checkSlow refuses what is no slow hash. It is sealed; the bound keeps a damaged
// one from taking all memory.
func checkSlow(h []byte) error {
	if len(h) < setHeader+saltBytes || h[0] != setVersion || h[1] == 0 || h[2] == 0 || binary.BigEndian.Uint32(h[3:]) > 64*1024 {
		return errors.New("method: not a slow hash")
	}
	return nil
}
