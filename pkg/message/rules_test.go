package message_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
)

// TestEveryRule breaks each rule of each field once, in a message that is otherwise right, and holds what is said to
// testdata/rules.golden: a line for each rule, with the exact error.
func TestEveryRule(t *testing.T) {
	var out strings.Builder
	for _, empty := range message.All() {
		name := message.NameOf(empty)
		seen := map[string]bool{}
		for _, path := range goldens(t)[name] {
			fresh := func() message.Message {
				m := reflect.New(reflect.TypeOf(empty).Elem()).Interface().(message.Message)
				require.NoError(t, json.Unmarshal(read(t, path), m))
				return m
			}
			breakAll(reflect.ValueOf(fresh()).Elem(), name, nil, func(rule string, steps []step, change func(reflect.Value)) {
				if seen[rule] {
					return
				}
				seen[rule] = true
				m := fresh()
				require.NoError(t, message.Validate(m), path)
				change(at(reflect.ValueOf(m).Elem(), steps))
				err := message.Validate(m)
				var invalid *message.Invalid
				require.True(t, errors.As(err, &invalid), "%s: broken, and nobody noticed", rule)
				require.Less(t, len(err.Error()), 400, "%s: an error is read by people", rule)
				fmt.Fprintf(&out, "%s\n\t%s\n", rule, err)
			})
		}
	}
	if *update {
		require.NoError(t, os.WriteFile("testdata/rules.golden", []byte(out.String()), 0o644))
	}
	require.Equal(t, string(read(t, "testdata/rules.golden")), out.String())
}

// step leads from a value into one of its parts: a field, or an element of a list.
type step struct{ field, index int }

func at(v reflect.Value, steps []step) reflect.Value {
	for _, s := range steps {
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if s.index >= 0 {
			v = v.Index(s.index)
		} else {
			v = v.Field(s.field)
		}
	}
	return v
}

// breakAll calls f for each rule of each field in v that is set, with the way to the field and how to break it there.
func breakAll(v reflect.Value, path string, steps []step, f func(rule string, steps []step, change func(reflect.Value))) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := path + "." + jsonName(field)
		here := append(steps[:len(steps):len(steps)], step{i, -1})
		own, inner, dives := strings.Cut(field.Tag.Get("validate"), "dive")
		value := v.Field(i)
		if value.Kind() != reflect.Pointer || !value.IsNil() || strings.Contains(own, "required") {
			breakOne(own, name, here, f)
		}
		for value.Kind() == reflect.Pointer && !value.IsNil() {
			value = value.Elem()
		}
		switch {
		case value.Kind() == reflect.Struct:
			breakAll(value, name, here, f)
		case value.Kind() == reflect.Slice && dives && value.Len() > 0:
			first := append(here[:len(here):len(here)], step{0, 0})
			breakOne(strings.TrimPrefix(inner, ","), name+"[0]", first, f)
			if value.Index(0).Kind() == reflect.Struct {
				breakAll(value.Index(0), name+"[0]", first, f)
			}
		}
	}
}

func breakOne(rules, name string, steps []step, f func(string, []step, func(reflect.Value))) {
	for _, rule := range strings.Split(strings.TrimSuffix(rules, ","), ",") {
		tag, param, _ := strings.Cut(rule, "=")
		n, _ := strconv.Atoi(param)
		var change func(reflect.Value)
		switch tag {
		case "", "omitempty":
			continue
		case "required":
			change = func(v reflect.Value) { v.SetZero() }
		case "name", "verb", "oneof":
			change = func(v reflect.Value) { v.SetString("a.b") }
		case "id":
			change = func(v reflect.Value) { v.SetString("a b") }
		case "place":
			change = func(v reflect.Value) { v.SetString("javascript:alert(1)") }
		case "min":
			change = func(v reflect.Value) { resize(v, n-1) }
		case "max":
			change = func(v reflect.Value) { resize(v, n+1) }
		default:
			panic("this test knows no way to break " + rule)
		}
		f(name+" "+rule, steps, change)
	}
}

// resize makes v n long, or n itself where it is a number.
func resize(v reflect.Value, n int) {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.Repeat("x", n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n))
	case reflect.Uint64:
		v.SetUint(uint64(n))
	case reflect.Slice:
		s := reflect.MakeSlice(v.Type(), n, n)
		for i := range n {
			if v.Len() > 0 {
				s.Index(i).Set(v.Index(0))
			}
		}
		v.Set(s)
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		for i := range n {
			m.SetMapIndex(reflect.ValueOf(strconv.Itoa(i)), reflect.Zero(v.Type().Elem()))
		}
		v.Set(m)
	default:
		panic("this test knows no way to resize " + v.Kind().String())
	}
}
