package server

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// ConnInfo is a connection string of libpq, taken apart: https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING.
type ConnInfo map[string]string

// ParseConnInfo reads the form of words (host=db1 port=5432 user=x password='a b') or of a URL (postgres://x:secret@db1:5432/db?sslmode=require).
// The error quotes nothing of it: it holds a password.
func ParseConnInfo(s string) (ConnInfo, error) {
	if strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://") {
		return parseURL(s)
	}
	c := ConnInfo{}
	rest := strings.TrimSpace(s)
	for rest != "" {
		key, after, ok := strings.Cut(rest, "=")
		key = strings.TrimSpace(key)
		if !ok || !isWord(key, "_") {
			return nil, errors.New("connection string: want key=value words, or a URL that begins with postgres://")
		}
		value, tail, err := word(strings.TrimLeft(after, " \t\r\n"))
		if err != nil {
			return nil, fmt.Errorf("connection string: %s: %w", key, err)
		}
		c[key], rest = value, strings.TrimLeft(tail, " \t\r\n")
	}
	return c, c.check()
}

// word reads one value, quoted or not.
func word(s string) (value, rest string, err error) {
	quoted := strings.HasPrefix(s, "'")
	if quoted {
		s = s[1:]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quoted && c == '\'':
			return b.String(), s[i+1:], nil
		case !quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			return b.String(), s[i:], nil
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return "", "", errors.New("the closing quote is missing")
	}
	return b.String(), "", nil
}

func parseURL(s string) (ConnInfo, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("connection string: not a URL such as postgres://user:password@host:5432/database; special signs of a password are written as %XX")
	}
	c := ConnInfo{}
	if u.User != nil {
		c["user"] = u.User.Username()
		if p, ok := u.User.Password(); ok {
			c["password"] = p
		}
	}
	if h := u.Hostname(); h != "" {
		c["host"] = h
	}
	if p := u.Port(); p != "" {
		c["port"] = p
	}
	if db := strings.TrimPrefix(u.Path, "/"); db != "" {
		c["dbname"] = db
	}
	for key, values := range u.Query() {
		if len(values) > 0 {
			c[key] = values[len(values)-1]
		}
	}
	return c, c.check()
}

func (c ConnInfo) check() error {
	for key, value := range c {
		if !isWord(key, "_") || strings.ContainsAny(value, "\x00\n\r") {
			return fmt.Errorf("connection string: the key or the value of %q holds what no connection string may", key)
		}
	}
	switch {
	case c["host"] == "" && c["hostaddr"] == "":
		return errors.New("connection string: host is missing")
	case strings.Contains(c["host"]+c["hostaddr"], ","):
		return errors.New("connection string: want one host, not several: it says where one member is")
	}
	return nil
}

// String writes it in words, keys sorted, every value quoted.
func (c ConnInfo) String() string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var words []string
	for key, value := range c {
		words = append(words, key+"='"+quote.Replace(value)+"'")
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// With is a copy with further words, given as key, value, key, value. An empty value takes the key out.
func (c ConnInfo) With(words ...string) ConnInfo {
	out := ConnInfo{}
	for k, v := range c {
		out[k] = v
	}
	for i := 0; i+1 < len(words); i += 2 {
		if words[i+1] == "" {
			delete(out, words[i])
		} else {
			out[words[i]] = words[i+1]
		}
	}
	return out
}

// Where is host:port, for people.
func (c ConnInfo) Where() string {
	host, port := c["host"], c["port"]
	if host == "" {
		host = c["hostaddr"]
	}
	if port == "" {
		port = "5432"
	}
	return host + ":" + port
}
