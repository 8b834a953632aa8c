// Check the hub's context token (header X-Hub-Session). Copy this file into an app (and drop main); it needs nothing
// but Go >= 1.21.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	kept   = 10 * time.Minute
	leeway = 5 * time.Second
)

// ErrNotFromTheHub says that the token is missing, forged, too old, or for another app: answer 401.
var ErrNotFromTheHub = errors.New("not a context token of the hub for this app")

// Claims of a context token. Document is empty where it was larger than 4 KiB.
type Claims struct {
	Issuer   string                     `json:"iss"`
	Audience string                     `json:"aud"`
	User     string                     `json:"sub"`
	Session  string                     `json:"sid"`
	Position string                     `json:"pos"`
	Expires  int64                      `json:"exp"`
	Grants   map[string]string          `json:"grants"`
	Document map[string]json.RawMessage `json:"document,omitempty"`
}

// HubSession is made once per app: Hub is the hub's public URL, App this app's name in its configuration.
type HubSession struct {
	Hub, App, JWKS string

	mutex  sync.Mutex
	keys   map[string]*ecdsa.PublicKey
	readAt time.Time
}

// Check gives the claims of a token, or ErrNotFromTheHub.
func (h *HubSession) Check(token string) (*Claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, ErrNotFromTheHub
	}
	var header struct {
		Alg, Typ, Kid string
		Crit          json.RawMessage
	}
	if parse(parts[0], &header) != nil || header.Alg != "ES256" || header.Typ != "hub-session+jwt" || header.Crit != nil {
		return nil, ErrNotFromTheHub
	}
	key, err := h.key(header.Kid)
	if err != nil {
		return nil, err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if key == nil || err != nil || len(signature) != 64 {
		return nil, ErrNotFromTheHub
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	var claims Claims
	if !ecdsa.Verify(key, digest[:], r, s) || parse(parts[1], &claims) != nil {
		return nil, ErrNotFromTheHub
	}
	if claims.Issuer != h.Hub || claims.Audience != h.App || time.Now().Add(-leeway).After(time.Unix(claims.Expires, 0)) {
		return nil, ErrNotFromTheHub
	}
	return &claims, nil
}

func (h *HubSession) key(kid string) (*ecdsa.PublicKey, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	age := time.Since(h.readAt)
	if key, known := h.keys[kid]; age < kept && (known || age < time.Second) {
		return key, nil
	}
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(h.JWKS)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var set struct {
		Keys []struct{ Kid, X, Y string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
		return nil, err
	}
	h.keys, h.readAt = map[string]*ecdsa.PublicKey{}, time.Now()
	for _, each := range set.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(each.X)
		y, errY := base64.RawURLEncoding.DecodeString(each.Y)
		if errX == nil && errY == nil {
			h.keys[each.Kid] = &ecdsa.PublicKey{
				Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y),
			}
		}
	}
	return h.keys[kid], nil
}

func parse(segment string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func main() { // go run hubsession.go HUB APP < token
	token, _ := io.ReadAll(os.Stdin)
	session := HubSession{Hub: os.Args[1], App: os.Args[2], JWKS: os.Args[1] + "/.well-known/jwks.json"}
	claims, err := session.Check(strings.TrimSpace(string(token)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(claims)
}
