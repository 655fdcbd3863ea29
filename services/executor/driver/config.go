package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// ConfigError says which key of a step's configuration is wrong, and what would be right.
type ConfigError struct {
	Key  string // "command"; "" where it is the whole
	Want string
}

func (e *ConfigError) Error() string {
	if e.Key == "" {
		return "configuration: want " + e.Want
	}
	return fmt.Sprintf("configuration: %s: want %s", e.Key, e.Want)
}

// Wrong makes a ConfigError.
func Wrong(key, want string, args ...any) error {
	return &ConfigError{Key: key, Want: fmt.Sprintf(want, args...)}
}

// Decode fills v, a pointer to a struct, from a step's configuration. An unknown key, a wrong type or something after the
// end is a *ConfigError that names the key. Values are never quoted: they may be secret.
func Decode(with json.RawMessage, v any) error {
	if len(bytes.TrimSpace(with)) == 0 {
		return Wrong("", "a JSON object with %s", strings.Join(keys(v), ", "))
	}
	d := json.NewDecoder(bytes.NewReader(with))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		var wrongType *json.UnmarshalTypeError
		if errors.As(err, &wrongType) && wrongType.Field != "" {
			return Wrong(wrongType.Field, "%s, not %s", words(wrongType.Type), wrongType.Value)
		}
		if key, ok := unknownKey(err); ok {
			return Wrong(key, "one of the known keys: %s", strings.Join(keys(v), ", "))
		}
		return Wrong("", "a JSON object with %s", strings.Join(keys(v), ", "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Wrong("", "nothing after the object")
	}
	return nil
}

// unknownKey reads the key out of the only error of encoding/json that has no type.
func unknownKey(err error) (string, bool) {
	rest, ok := strings.CutPrefix(err.Error(), `json: unknown field "`)
	return strings.TrimSuffix(rest, `"`), ok
}

func words(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	}
	return "a number"
}

func keys(v any) []string {
	t := reflect.TypeOf(v).Elem()
	var out []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" {
			name = t.Field(i).Name
		}
		out = append(out, name)
	}
	return out
}
