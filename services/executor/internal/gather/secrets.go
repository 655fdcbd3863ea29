package gather

import (
	"context"
	"fmt"
	"reflect"

	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/executor/driver"
)

// secrets knows everything that must not be seen: what this process has read so far, and what the group's spec refers to. References that cannot
// be read here are of other hosts. The error says that they could not be read in time: then nothing may be shown.
func (g *Gatherer) secrets(ctx context.Context, s *spec.Group) (*driver.Secrets, error) {
	known := driver.NewSecrets(g.o.Secrets)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for _, v := range g.o.Known() {
			known.Hide(v)
		}
		for _, ref := range references(s) {
			_, _ = known.Resolve(ref)
		}
	}()
	select {
	case <-read:
		return known, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("the secrets could not be read, so that nothing can be masked: %w", context.Cause(ctx))
	}
}

// references are all texts of the spec that may hold references.
func references(s *spec.Group) []spec.Secret {
	var all []spec.Secret
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					walk(v.Field(i))
				}
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Map:
			for it := v.MapRange(); it.Next(); {
				walk(it.Value())
			}
		case reflect.String:
			if v.Type() == reflect.TypeFor[spec.Secret]() {
				all = append(all, spec.Secret(v.String()))
			}
		}
	}
	walk(reflect.ValueOf(s))
	return all
}
