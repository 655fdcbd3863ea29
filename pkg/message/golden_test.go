package message_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldens are the files of testdata by type: "<type>.json" and "<type>-<variant>.json".
func goldens(t testing.TB) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	byType := map[string][]string{}
	for _, f := range files {
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), ".json"), "-")
		byType[name] = append(byType[name], f)
	}
	return byType
}

func header(m message.Message) message.Header {
	return message.Header{message.HeaderType: {message.TypeOf(m)}}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// TestGolden: each type is written as its golden files have it, byte for byte but for indentation. They are what other programs,
// and older versions of this one, read and write: a difference is a change of the contract.
func TestGolden(t *testing.T) {
	files := goldens(t)
	for _, empty := range message.All() {
		name := message.NameOf(empty)
		t.Run(name, func(t *testing.T) {
			require.NotEmpty(t, files[name], "testdata has no %s.json", name)
			unused := leaves(reflect.TypeOf(empty).Elem(), name)
			for _, path := range files[name] {
				body := read(t, path)
				m, err := message.Decode(header(empty), body)
				require.NoError(t, err, path)
				_, out, err := message.Encode(m, "/ham/test/t1", time.Now())
				require.NoError(t, err, path)
				var got bytes.Buffer
				require.NoError(t, json.Indent(&got, out, "", "  "))
				got.WriteByte('\n')
				if *update {
					require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
				}
				require.Equal(t, string(read(t, path)), got.String(), path)
				used(reflect.ValueOf(m).Elem(), name, func(leaf string) { delete(unused, leaf) })
			}
			require.Empty(t, slices.Sorted(maps.Keys(unused)), "no golden file of %s sets these", name)
		})
		delete(files, name)
	}
	require.Empty(t, files, "golden files of no type")
}

// leaves are the fields of a type that hold a value of their own, by path.
func leaves(typ reflect.Type, path string) map[string]bool {
	all := map[string]bool{}
	for f := range fields(typ) {
		inner := under(f.Type)
		at := path + "." + jsonName(f)
		if inner == reflect.TypeFor[message.Request]() {
			continue // its own golden files set its fields
		}
		if inner.Kind() == reflect.Struct {
			maps.Copy(all, leaves(inner, at))
			continue
		}
		all[at] = true
	}
	return all
}

// used calls f for each leaf that is not zero in v.
func used(v reflect.Value, path string, f func(string)) {
	for field := range fields(v.Type()) {
		at, value := path+"."+jsonName(field), v.FieldByIndex(field.Index)
		if under(field.Type).Kind() != reflect.Struct {
			if !value.IsZero() {
				f(at)
			}
			continue
		}
		switch value.Kind() {
		case reflect.Pointer:
			if !value.IsNil() {
				used(value.Elem(), at, f)
			}
		case reflect.Slice:
			for i := range value.Len() {
				used(value.Index(i), at, f)
			}
		default:
			used(value, at, f)
		}
	}
}

func fields(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}

func under(typ reflect.Type) reflect.Type {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	return typ
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// TestHeaders: a message in CloudEvents binary mode.
func TestHeaders(t *testing.T) {
	var m message.Held
	require.NoError(t, json.Unmarshal(read(t, "testdata/held.json"), &m))
	at := time.Date(2026, 11, 22, 3, 4, 5, 6000, time.FixedZone("somewhere", 3600))
	h, _, err := message.Encode(&m, "/ham/executor/e1", at)
	require.NoError(t, err)
	require.Equal(t, message.Header{
		"ce-specversion": {"1.0"},
		"ce-type":        {"io.isacloud.ham.v1.held"},
		"ce-source":      {"/ham/executor/e1"},
		"ce-id":          {"held.web.4"},
		"ce-time":        {"2026-11-22T02:04:05.000006Z"},
		"ce-subject":     {"web"},
		"content-type":   {"application/json"},
		"Nats-Msg-Id":    {"held.web.4"},
	}, h)
}

// TestTypesAndIDs: what a type is called, and that each message has an id and a group.
func TestTypesAndIDs(t *testing.T) {
	types := map[string]bool{}
	for name, files := range goldens(t) {
		for _, path := range files {
			for _, m := range message.All() {
				if message.NameOf(m) != name {
					continue
				}
				require.NoError(t, json.Unmarshal(read(t, path), m))
				require.Equal(t, "io.isacloud.ham.v1."+name, message.TypeOf(m))
				types[message.TypeOf(m)] = true
				require.NotEmpty(t, m.MessageID(), path)
				if name != "deadletter" && name != "expiries" { // those are about no group
					require.Equal(t, "web", m.MessageGroup(), path)
				}
			}
		}
	}
	require.Len(t, types, len(message.All()))
}

// TestUnknownFieldsAreAccepted: a newer program may say more than this one understands.
func TestUnknownFieldsAreAccepted(t *testing.T) {
	for name, files := range goldens(t) {
		for _, path := range files {
			for _, m := range message.All() {
				if message.NameOf(m) != name {
					continue
				}
				body := read(t, path)
				more := append([]byte(`{"hologram":{"a":[1,null]},`), bytes.TrimSpace(body)[1:]...)
				with, err := message.Decode(header(m), more)
				require.NoError(t, err, path)
				without, err := message.Decode(header(m), body)
				require.NoError(t, err, path)
				require.Equal(t, without, with, path)
			}
		}
	}
}

// TestEncodedIsWhatJSONTakes: the size of a text on the wire is known before it is written.
func TestEncodedIsWhatJSONTakes(t *testing.T) {
	var all strings.Builder
	for r := rune(0); r < 0x3000; r++ {
		all.WriteRune(r)
	}
	for _, s := range []string{"", "plain", "<a href=\"x\">&\\\n\t\r\b\f\x00\x1f\x7f", "\xff\xfe broken \xc3", "\u2028\u2029\ufffd", "ção 😀", all.String()} {
		b, err := json.Marshal(s)
		require.NoError(t, err)
		require.Equal(t, len(b)-2, message.Encoded(s), "%q", s)
	}
}
