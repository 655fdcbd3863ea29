// Package password keeps passwords as what they cannot be read from: argon2id (RFC 9106), written as one line,
//
//	$argon2id$v=19$m=65536,t=3,p=4$<salt>$<sum>
//
// A [Hash] does not change and may be used by many at once. Each [Hash.Matches] takes the memory and the time that the hash names: who
// lets strangers call it bounds how many do so at once.
package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Bounds of a password, in bytes. Length is what makes it strong: a few words will do.
const (
	Least = 12
	Most  = 1024
)

// The cost of a new hash: the second choice of RFC 9106, section 4, for where 2 GiB a sign-in are too many.
const (
	newMemory = 64 << 10 // KiB
	newPasses = 3
	newLanes  = 4
	newSalt   = 16 // bytes
	newSum    = 32
)

// The bounds of a hash that is read: below them it is guessed too quickly, above them one sign-in holds up the machine.
const (
	leastMemory, mostMemory = 7 << 10, 256 << 10 // KiB
	mostPasses              = 16
	mostLanes               = 16
	leastSalt, mostSalt     = 8, 64 // bytes
	leastSum, mostSum       = 16, 64
)

// Hash is a password's hash with all that is needed to compare.
type Hash struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
	salt   []byte
	sum    []byte
}

// New hashes a password with a salt of its own. The error says what is wrong with the password, never what it is.
func New(password string) (Hash, error) {
	switch {
	case len(password) < Least:
		return Hash{}, fmt.Errorf("the password has %d bytes, want at least %d: a few words will do", len(password), Least)
	case len(password) > Most:
		return Hash{}, fmt.Errorf("the password has %d bytes, want at most %d", len(password), Most)
	}
	h := Hash{memory: newMemory, passes: newPasses, lanes: newLanes, salt: random(newSalt)}
	h.sum = h.of(password, newSum)
	return h, nil
}

// Matches says whether this is the password. It takes as long whether it is or not.
func (h Hash) Matches(password string) bool {
	if len(h.sum) == 0 || len(password) > Most {
		return false
	}
	return subtle.ConstantTimeCompare(h.of(password, len(h.sum)), h.sum) == 1
}

// Decoy is a hash that costs as much as h and that no password is known for: to compare with where there is no user, so that the time an
// answer takes does not tell.
func (h Hash) Decoy() Hash {
	h.salt, h.sum = random(len(h.salt)), random(len(h.sum))
	return h
}

func (h Hash) of(password string, length int) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, uint32(length))
}

// String is h as one line, as [Parse] reads it.
func (h Hash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.lanes, coding.EncodeToString(h.salt), coding.EncodeToString(h.sum))
}

var coding = base64.RawStdEncoding.Strict()

// form is what Parse wants, for its errors.
const form = "want $argon2id$v=19$m=65536,t=3,p=4$<salt>$<sum>, as `ham console hash` prints it"

// Parse reads one line. The error says what is wrong and does not repeat the line: it may hold a password by mistake.
func Parse(line string) (Hash, error) {
	parts := strings.Split(line, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return Hash{}, errors.New("is no argon2id hash, " + form)
	}
	cost := strings.Split(parts[3], ",")
	if len(cost) != 3 {
		return Hash{}, errors.New("does not say what it costs, " + form)
	}
	var h Hash
	memory, err1 := number(cost[0], "m", leastMemory, mostMemory)
	passes, err2 := number(cost[1], "t", 1, mostPasses)
	lanes, err3 := number(cost[2], "p", 1, mostLanes)
	var err4, err5 error
	h.salt, err4 = bytesOf("salt", parts[4], leastSalt, mostSalt)
	h.sum, err5 = bytesOf("sum", parts[5], leastSum, mostSum)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return Hash{}, err
		}
	}
	h.memory, h.passes, h.lanes = memory, passes, uint8(lanes)
	return h, nil
}

// number reads "m=65536".
func number(text, name string, least, most uint32) (uint32, error) {
	digits, ok := strings.CutPrefix(text, name+"=")
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
		return 0, fmt.Errorf("has no number %s, %s", name, form)
	}
	if n < uint64(least) || n > uint64(most) {
		return 0, fmt.Errorf("has %s=%d, want %d to %d", name, n, least, most)
	}
	return uint32(n), nil
}

func bytesOf(what, text string, least, most int) ([]byte, error) {
	b, err := coding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("has a %s that is no base64 without padding, %s", what, form)
	}
	if len(b) < least || len(b) > most {
		return nil, fmt.Errorf("has a %s of %d bytes, want %d to %d", what, len(b), least, most)
	}
	return b, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it does not fail: the program ends instead
	return b
}
