package decider

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isacloud/ha-manager/pkg/bus"
	"github.com/isacloud/ha-manager/pkg/subject"
)

// A decider that has just started shares its questions with those that know everything: it must not answer them with roles of long ago.
func TestNoQuestionIsAnsweredFromHalfARecord(t *testing.T) {
	about := bus.Ask{Parts: subject.Parts{Group: "web"}, Body: []byte("{")}
	for name, answer := range map[string]func(*Decider, context.Context) error{
		"status":  func(d *Decider, ctx context.Context) error { _, err := d.answerStatus(ctx, about); return err },
		"preview": func(d *Decider, ctx context.Context) error { _, err := d.answerPreview(ctx, about); return err },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, reads := range []bool{true, false} {
					d, err := New(Options{Bus: new(bus.Bus), Name: "d1"})
					if err != nil {
						t.Fatal(err)
					}
					answered := make(chan error, 1)
					go func() { answered <- answer(d, t.Context()) }()
					time.Sleep(readPatience / 2)
					synctest.Wait()
					if len(answered) > 0 {
						t.Fatalf("answered before the record was read: %v", <-answered)
					}
					if reads {
						d.link(true)
					} else {
						time.Sleep(readPatience)
					}
					synctest.Wait()
					if len(answered) == 0 {
						t.Fatal("never answered")
					}
				}
			})
		})
	}
}
