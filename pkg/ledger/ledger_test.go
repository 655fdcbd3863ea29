package ledger

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/message"
)

func TestScore(t *testing.T) {
	var l Ledger
	require.Zero(t, l.Score())
	for _, id := range []string{"s1", "s2", "s3", "s3"} {
		l.Shadow(&message.Command{ID: id})
	}
	l.Shadow(&message.Command{ID: "asked", Request: "rq-1"}) // a person's dry run
	judge := func(entry, how string) { l.Judge(&message.Judgement{Entry: entry, Judge: how, Actor: "ana"}, 1) }
	judge("s1", message.JudgeWrong)
	judge("s1", message.JudgeRight) // thought better of it
	judge("s2", message.JudgeWrong)
	judge("nothing", message.JudgeRight)
	judge("s3", message.JudgeMiss) // it was there
	judge("m1", message.JudgeMiss)
	require.Equal(t, message.LedgerStatus{Entries: 3, Right: 1, Wrong: 1, Open: 1, Missed: 1, Precision: 0.5, Recall: 0.5}, l.Score())
	require.Len(t, l.Entries(), 4)
}

func TestBounded(t *testing.T) {
	var l Ledger
	for i := range Most + 10 {
		l.Shadow(&message.Command{ID: "s" + strconv.Itoa(i)})
	}
	require.Equal(t, Most, l.Score().Entries)
	require.False(t, l.Has("s9"))
	require.True(t, l.Has("s10"))
}
