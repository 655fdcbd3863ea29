package postgres

import (
	"context"
	"testing"
)

// What goes on in the background ends with the resource, and nothing is begun after it.
func TestAJobEndsWithItsResource(t *testing.T) {
	d := &database{}
	began, ended := make(chan struct{}), false
	if err := d.job.start(func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		ended = true
		return ctx.Err()
	}); err != nil {
		t.Fatal(err)
	}
	<-began
	d.Close()
	if !ended {
		t.Error("it goes on after its resource")
	}
	_ = d.job.start(func(context.Context) error { t.Error("it was begun after its resource had ended"); return nil })
	d.Close()
}
