package postgres

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a place in the write-ahead log, in bytes from its beginning. Zero is none.
// https://www.postgresql.org/docs/15/datatype-pg-lsn.html
type LSN uint64

// ParseLSN reads what PostgreSQL prints: two hexadecimal numbers of at most 32 bits, "16/B374D848".
func ParseLSN(s string) (LSN, error) {
	high, low, ok := strings.Cut(s, "/")
	h, highErr := strconv.ParseUint(high, 16, 32)
	l, lowErr := strconv.ParseUint(low, 16, 32)
	if !ok || highErr != nil || lowErr != nil {
		return 0, fmt.Errorf("%q is no place in the write-ahead log, want two hexadecimal numbers, such as 16/B374D848", s)
	}
	return LSN(h<<32 | l), nil
}

// String is how PostgreSQL prints it.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint32(l)) }

// Behind is how many bytes l lacks of other; 0 where it lacks none, or where one of the two is not known.
func (l LSN) Behind(other LSN) int64 {
	if l == 0 || other <= l {
		return 0
	}
	return int64(other - l)
}

// MarshalText gives what String gives.
func (l LSN) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText takes what ParseLSN takes.
func (l *LSN) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLSN(string(text))
	return err
}

// Scan takes a pg_lsn of a row; NULL is zero.
func (l *LSN) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*l = 0
		return nil
	case string:
		return l.UnmarshalText([]byte(v))
	}
	return fmt.Errorf("a pg_lsn came as %T", value)
}
