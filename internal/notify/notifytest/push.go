package notifytest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/elliptic"
)

// PushService is a push service on loopback (RFC 8030), with one browser that is
// subscribed there. It opens what arrives as that browser would (RFC 8291) and
// checks who sent it (RFC 8292).
type PushService struct {
	URL    string
	Client *http.Client // trusts its certificate

	t    testing.TB
	key  *ecdh.PrivateKey
	auth []byte

	mu      sync.Mutex
	status  int
	arrived []Pushed
	changed chan struct{}
}

// Pushed is a message as the browser sees it.
type Pushed struct {
	Path         string
	TTL, Urgency string
	Sender       string // public key of the application server, base64url
	Text         string
}

// StartPushService runs one until the test ends.
func StartPushService(t testing.TB) *PushService {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &PushService{t: t, key: key, auth: make([]byte, 16), status: http.StatusCreated, changed: make(chan struct{}, 64)}
	if _, err := rand.Read(p.auth); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(p.serve))
	t.Cleanup(server.Close)
	p.URL, p.Client = server.URL, server.Client()
	p.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return p
}

// Answer has the service answer with a status from now on.
func (p *PushService) Answer(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

// Subscription is what the browser's PushSubscription is as JSON.
func (p *PushService) Subscription(path string) string {
	p.t.Helper()
	data, err := json.Marshal(map[string]any{
		"endpoint": p.URL + path, "expirationTime": nil,
		"keys": map[string]string{
			"p256dh": base64.RawURLEncoding.EncodeToString(p.key.PublicKey().Bytes()), "auth": base64.RawURLEncoding.EncodeToString(p.auth),
		},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// Wait gives the messages when there are n, and ends the test when they do not come.
func (p *PushService) Wait(n int) []Pushed {
	p.t.Helper()
	late := time.After(20 * time.Second)
	for {
		if all := p.Arrived(); len(all) >= n {
			return all
		}
		select {
		case <-p.changed:
		case <-late:
			p.t.Fatalf("%d messages for devices arrived, want %d", len(p.Arrived()), n)
		}
	}
}

// Arrived is every message so far.
func (p *PushService) Arrived() []Pushed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Pushed{}, p.arrived...)
}

func (p *PushService) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<10))
	if err != nil {
		p.t.Errorf("push service: %v", err)
		return
	}
	m := Pushed{Path: r.URL.Path, TTL: r.Header.Get("TTL"), Urgency: r.Header.Get("Urgency")}
	if m.Sender, err = p.sender(r.Header.Get("Authorization")); err == nil {
		m.Text, err = p.open(body)
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Encoding") != "aes128gcm" {
		err = fmt.Errorf("%s with the coding %q", r.Method, r.Header.Get("Content-Encoding"))
	}
	if err != nil {
		p.t.Errorf("push service: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.arrived = append(p.arrived, m)
	status := p.status
	p.mu.Unlock()
	if status/100 == 3 {
		w.Header().Set("Location", p.URL+"/elsewhere")
	}
	w.WriteHeader(status)
	p.changed <- struct{}{}
}

// sender verifies "vapid t=JWT, k=KEY" (RFC 8292, 3).
func (p *PushService) sender(header string) (string, error) {
	values, ok := strings.CutPrefix(header, "vapid ")
	token, key, found := strings.Cut(values, ", k=")
	token, signed := strings.CutPrefix(token, "t=")
	parts := strings.Split(token, ".")
	if !ok || !found || !signed || len(parts) != 3 {
		return "", fmt.Errorf("the authorization %q", header)
	}
	point, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		return "", err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		return "", errors.New("the signature of the token")
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return "", err
	}
	head, err := base64.RawURLEncoding.DecodeString(parts[0])
	var by struct {
		Algorithm string `json:"alg"`
	}
	if err != nil || json.Unmarshal(head, &by) != nil || by.Algorithm != "ES256" {
		return "", fmt.Errorf("the token's header %s", head)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return "", errors.New("the token is not signed by its key")
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var said struct {
		Audience string `json:"aud"`
		Subject  string `json:"sub"`
		Expires  int64  `json:"exp"`
	}
	if err := json.Unmarshal(claims, &said); err != nil {
		return "", err
	}
	left := time.Until(time.Unix(said.Expires, 0))
	contact, err := url.Parse(said.Subject)
	if err != nil || said.Audience != p.URL || left <= 0 || left > 24*time.Hour || contact.Scheme != "mailto" && contact.Scheme != "https" {
		return "", fmt.Errorf("the claims %s", claims)
	}
	return key, nil
}

// open decrypts one record (RFC 8188, RFC 8291, 3.4).
func (p *PushService) open(body []byte) (string, error) {
	if len(body) < 21 || len(body) < 21+int(body[20]) {
		return "", errors.New("a message without a header")
	}
	salt, size, theirs, sealed := body[:16], binary.BigEndian.Uint32(body[16:20]), body[21:21+int(body[20])], body[21+int(body[20]):]
	if len(sealed) > int(size) || len(body) > 4096 {
		return "", errors.New("a message longer than its record, or than services take")
	}
	public, err := ecdh.P256().NewPublicKey(theirs)
	if err != nil {
		return "", err
	}
	shared, err := p.key.ECDH(public)
	if err != nil {
		return "", err
	}
	info := bytes.Join([][]byte{[]byte("WebPush: info\x00"), p.key.PublicKey().Bytes(), theirs}, nil)
	ikm, err := hkdf.Key(sha256.New, shared, p.auth, string(info), 32)
	if err != nil {
		return "", err
	}
	key, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return "", err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return "", err
	}
	plain, err := gcm.Open(nil, nonce, sealed, nil)
	if err != nil {
		return "", err
	}
	plain = bytes.TrimRight(plain, "\x00")
	if text, ok := bytes.CutSuffix(plain, []byte{2}); ok {
		return string(text), nil
	}
	return "", errors.New("the last record is not marked as the last")
}
