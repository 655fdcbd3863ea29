package queue

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/isacloud/ha-manager/pkg/client/redis"
	"github.com/isacloud/ha-manager/pkg/client/redis/redistest"
	"github.com/isacloud/ha-manager/pkg/message"
	"github.com/isacloud/ha-manager/pkg/spec"
	"github.com/isacloud/ha-manager/services/prober/check"
	"github.com/isacloud/ha-manager/services/prober/check/checktest"
)

const ample = 20 * time.Second

func at(address string, password spec.Secret) spec.Check {
	return spec.Check{Name: "backlog", Timeout: ample, Queue: &spec.QueueCheck{Address: address, Password: password, List: "jobs"}}
}

func TestSuite(t *testing.T) {
	redistest.Require(t)
	checktest.Run(t, checktest.Suite{
		Kind: Kind, Measures: true,
		Up: func(t *testing.T) spec.Check { return at(redistest.Start(t, redistest.Options{}).Addr, "") },
		CannotAsk: func(t *testing.T) spec.Check {
			return at(redistest.Start(t, redistest.Options{Password: "another"}).Addr, checktest.Secret)
		},
		Hangs: func(t *testing.T) spec.Check { return at(checktest.Silent(t), "") },
		Gone:  func(t *testing.T) spec.Check { return at(checktest.Nobody(t), "") },
		Floods: func(t *testing.T) spec.Check {
			return at(checktest.Listen(t, func(c net.Conn) {
				var err error
				for err == nil {
					_, err = io.WriteString(c, strings.Repeat("x", 4000))
				}
			}), "")
		},
		SaysNo: func(t *testing.T) spec.Check {
			return at(checktest.Listen(t, func(c net.Conn) {
				buf := make([]byte, 4096)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := io.WriteString(c, "$3\r\nabc\r\n"); err != nil {
						return
					}
				}
			}), "")
		},
		Echoes: func(t *testing.T) spec.Check {
			return at(checktest.Listen(t, func(c net.Conn) {
				buf := make([]byte, 4096)
				if n, err := c.Read(buf); err == nil {
					_, _ = fmt.Fprintf(c, "-ERR you said %s\r\n", strings.NewReplacer("\r", " ", "\n", " ").Replace(string(buf[:n])))
				}
			}), checktest.Secret)
		},
		Unresolved: func(t *testing.T) spec.Check { return at(checktest.Silent(t), checktest.Missing) },
	})
}

// The length of a real list, as it grows, is emptied, and gives way to something that is no list; also over a restart of the server.
func TestLength(t *testing.T) {
	redistest.Require(t)
	s := redistest.Start(t, redistest.Options{})
	l, err := Kind.Open(check.Target{Check: at(s.Addr, "")})
	require.NoError(t, err)
	defer l.Close()
	look := func() check.Result {
		ctx, cancel := context.WithTimeout(t.Context(), ample)
		defer cancel()
		return l.Look(ctx)
	}
	do := func(words ...string) {
		ctx, cancel := context.WithTimeout(t.Context(), ample)
		defer cancel()
		c, err := redis.Dial(ctx, s.Addr, "")
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Do(ctx, words...)
		require.NoError(t, err)
	}
	long := func(n float64) {
		t.Helper()
		r := look()
		require.Equal(t, message.Up, r.Answer, r.Evidence)
		require.Equal(t, map[string]float64{spec.FigureLength: n}, r.Perf)
	}
	long(0) // a list that is not there is empty
	do("RPUSH", "jobs", "a", "b", "c")
	long(3)
	do("LPOP", "jobs")
	long(2)
	do("SET", "jobs", "x")
	r := look()
	require.Equal(t, message.Unknown, r.Answer)
	require.Empty(t, r.Perf)
	require.Equal(t, "cannot measure list jobs at "+s.Addr+": that key is no list; name the list's key", r.Evidence)
	do("DEL", "jobs")
	long(0)
}
