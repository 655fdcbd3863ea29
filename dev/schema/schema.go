package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/isacloud/ha-manager/pkg/message"
)

// schema is what is used here of JSON Schema, draft 2020-12.
type schema struct {
	Schema      string `json:"$schema,omitempty"`
	ID          string `json:"$id,omitempty"`
	Ref         string `json:"$ref,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`

	Type            string      `json:"type,omitempty"`
	Enum            []string    `json:"enum,omitempty"`
	Pattern         string      `json:"pattern,omitempty"`
	MaxLength       *int        `json:"maxLength,omitempty"`
	MinLength       *int        `json:"minLength,omitempty"`
	ContentEncoding string      `json:"contentEncoding,omitempty"`
	Minimum         *int        `json:"minimum,omitempty"`
	Maximum         *int        `json:"maximum,omitempty"`
	Items           *schema     `json:"items,omitempty"`
	MinItems        *int        `json:"minItems,omitempty"`
	MaxItems        *int        `json:"maxItems,omitempty"`
	Values          *schema     `json:"additionalProperties,omitempty"`
	MaxProperties   *int        `json:"maxProperties,omitempty"`
	Properties      *properties `json:"properties,omitempty"`
	Required        []string    `json:"required,omitempty"`
	AllOf           []*schema   `json:"allOf,omitempty"`

	Defs map[string]*schema `json:"$defs,omitempty"`
}

// properties keeps the order of the struct.
type properties struct {
	names []string
	by    map[string]*schema
}

func (p *properties) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range p.names {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(p.by[name])
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

var (
	durationType = reflect.TypeFor[message.Duration]()
	anyJSONType  = reflect.TypeFor[json.RawMessage]()
	bytesType    = reflect.TypeFor[[]byte]()
)

// builder makes one schema with the definitions that it refers to.
type builder struct {
	comments comments
	defs     map[string]*schema
}

// schemaOf is the schema of one message.
func schemaOf(m message.Message, c comments) (*schema, error) {
	b := &builder{comments: c, defs: map[string]*schema{}}
	s, err := b.object(reflect.TypeOf(m).Elem())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", message.NameOf(m), err)
	}
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.ID = "urn:isacloud:ham:" + strings.ReplaceAll(strings.TrimPrefix(message.TypeOf(m), "io.isacloud.ham."), ".", ":")
	s.Title = message.TypeOf(m)
	if len(b.defs) > 0 {
		s.Defs = b.defs
	}
	return s, nil
}

func (b *builder) object(t reflect.Type) (*schema, error) {
	s := &schema{Type: "object", Description: b.comments[t.Name()], Properties: &properties{by: map[string]*schema{}}}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		own, inner, dives := strings.Cut(f.Tag.Get("validate"), "dive")
		p, err := b.value(f.Type, split(own), split(inner), dives)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t.Name(), f.Name, err)
		}
		if text := b.comments[t.Name()+"."+f.Name]; text != "" {
			p.Description = text
		}
		s.Properties.names = append(s.Properties.names, name)
		s.Properties.by[name] = p
		if refusesZero(f.Type, split(own)) {
			s.Required = append(s.Required, name)
		}
	}
	return s, nil
}

// split takes the rules of a tag apart; those that only steer the validator are left out.
func split(tag string) []string {
	var rules []string
	for _, r := range strings.Split(tag, ",") {
		if r != "" {
			rules = append(rules, r)
		}
	}
	return rules
}

// refusesZero says whether a message without the field is refused.
func refusesZero(t reflect.Type, rules []string) bool {
	for _, r := range rules {
		if r == "omitempty" {
			return false
		}
		if least, ok := strings.CutPrefix(r, "min="); r == "required" || ok && least != "0" {
			return true
		}
	}
	if t.Kind() != reflect.Struct {
		return false
	}
	for i := range t.NumField() {
		own, _, _ := strings.Cut(t.Field(i).Tag.Get("validate"), "dive")
		if refusesZero(t.Field(i).Type, split(own)) {
			return true
		}
	}
	return false
}

// value is the schema of a field or of an element; inner are the rules of its own elements.
func (b *builder) value(t reflect.Type, rules, inner []string, dives bool) (*schema, error) {
	s := &schema{}
	switch {
	case t == durationType:
		s.Type, s.Pattern = "string", `^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`
	case t == anyJSONType:
		return s, nil
	case t == bytesType:
		s.Type, s.ContentEncoding, s.Pattern = "string", "base64", `^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`
	case t.Kind() == reflect.Pointer:
		return b.value(t.Elem(), rules, inner, dives)
	case t.Kind() == reflect.Struct:
		if b.defs[t.Name()] == nil {
			b.defs[t.Name()] = &schema{} // it may refer to itself
			def, err := b.object(t)
			if err != nil {
				return nil, err
			}
			b.defs[t.Name()] = def
		}
		s.Ref = "#/$defs/" + t.Name()
	case t.Kind() == reflect.Slice:
		items, err := b.value(t.Elem(), inner, nil, false)
		if err != nil {
			return nil, err
		}
		s.Type, s.Items = "array", items
	case t.Kind() == reflect.Map:
		values, err := b.value(t.Elem(), inner, nil, false)
		if err != nil {
			return nil, err
		}
		s.Type, s.Values = "object", values
	case t.Kind() == reflect.String:
		s.Type = "string"
	case t.Kind() == reflect.Bool:
		s.Type = "boolean"
	case t.Kind() == reflect.Float64:
		s.Type = "number"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		s.Type = "integer"
	case t.Kind() == reflect.Uint64:
		s.Type, s.Minimum = "integer", new(int)
	default:
		return nil, fmt.Errorf("no schema is known for %s", t)
	}
	for _, r := range rules {
		if err := s.apply(t, r, rules); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// apply adds one rule of a validation tag. A rule that has no form here is an error, so that none is forgotten.
func (s *schema) apply(t reflect.Type, rule string, all []string) error {
	tag, param, _ := strings.Cut(rule, "=")
	n, _ := strconv.Atoi(param)
	optional := contains(all, "omitempty")
	switch tag {
	case "omitempty":
	case "required":
		if s.Type == "string" && t != durationType {
			one := 1
			s.MinLength = &one
		}
	case "name":
		s.Pattern, s.MinLength = "^[A-Za-z0-9_-]{1,63}$", nil
		if optional {
			s.Pattern = "^[A-Za-z0-9_-]{0,63}$"
		}
	case "id":
		s.Pattern, s.MinLength = `^[^\x00-\x20\x7f]+$`, nil
	case "place":
		s.Pattern, s.MinLength = `^https?://[^/?#@\s]+([/?#]\S*)?$`, nil
	case "verb":
		for _, v := range message.Verbs {
			s.Enum = append(s.Enum, string(v))
		}
		s.MinLength = nil
	case "oneof":
		s.Enum, s.MinLength = strings.Fields(param), nil
		if optional {
			s.Enum = append(s.Enum, "")
		}
	case "min", "max":
		return s.limit(t, tag == "min", n)
	default:
		return fmt.Errorf("rule %q has no form in a schema", rule)
	}
	return nil
}

func (s *schema) limit(t reflect.Type, least bool, n int) error {
	switch {
	case t == durationType && least && n == 0: // what is negative has no form in the pattern already
	case t == durationType && least && n == 1:
		s.AllOf = []*schema{{Pattern: "[1-9]"}} // some digit is not zero
	case s.Type == "string" && !least:
		s.MaxLength = &n
	case s.Type == "integer" && least:
		s.Minimum = &n
	case s.Type == "integer":
		s.Maximum = &n
	case s.Type == "array" && least:
		s.MinItems = &n
	case s.Type == "array":
		s.MaxItems = &n
	case s.Type == "object" && !least:
		s.MaxProperties = &n
	default:
		return fmt.Errorf("a limit of %s has no form in a schema", t)
	}
	return nil
}

func contains(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}
