package redis

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
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
	return spec.Check{Name: "cache", Timeout: ample, Redis: &spec.RedisCheck{Address: address, Password: password}}
}

// answering says the same words to every question.
func answering(t *testing.T, words string) string {
	t.Helper()
	return checktest.Listen(t, func(c net.Conn) {
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := io.WriteString(c, words); err != nil {
				return
			}
		}
	})
}

func TestSuite(t *testing.T) {
	redistest.Require(t)
	checktest.Run(t, checktest.Suite{
		Kind: Kind,
		Up:   func(t *testing.T) spec.Check { return at(redistest.Start(t, redistest.Options{}).Addr, "") },
		SaysNo: func(t *testing.T) spec.Check {
			return at(redistest.Start(t, redistest.Options{Config: []string{"min-replicas-to-write 3"}}).Addr, "")
		},
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
		Echoes: func(t *testing.T) spec.Check {
			return at(checktest.Listen(t, func(c net.Conn) {
				buf := make([]byte, 4096)
				n, err := c.Read(buf)
				if err == nil {
					_, _ = fmt.Fprintf(c, "-ERR you said %s\r\n", strings.NewReplacer("\r", " ", "\n", " ").Replace(string(buf[:n])))
				}
			}), checktest.Secret)
		},
		Unresolved: func(t *testing.T) spec.Check { return at(checktest.Silent(t), checktest.Missing) },
	})
}

func looking(t *testing.T, c spec.Check) (look func() check.Result, woken <-chan struct{}) {
	t.Helper()
	wakes := make(chan struct{}, 64)
	l, err := Kind.Open(check.Target{Check: c, Wake: func() { wakes <- struct{}{} }, Secrets: func(_, name string) (string, error) { return name, nil }})
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return func() check.Result {
		ctx, cancel := context.WithTimeout(t.Context(), c.Timeout)
		defer cancel()
		return l.Look(ctx)
	}, wakes
}

func TestPair(t *testing.T) {
	t.Parallel()
	a := redistest.Start(t, redistest.Options{Password: "pass"})
	b := redistest.Start(t, redistest.Options{Password: "pass", ReplicaOf: a})
	b.AwaitLink()
	master, _ := looking(t, at(a.Addr, "${env:pass}"))
	replica, _ := looking(t, at(b.Addr, "${env:pass}"))
	r := master()
	require.Equal(t, message.Up, r.Answer, r.Evidence)
	require.Contains(t, r.Evidence, "with 1 replicas")
	require.Zero(t, r.Perf["recovery"])
	require.EqualValues(t, 1, r.Perf["replicas"])
	r = replica()
	require.Equal(t, message.Up, r.Answer, r.Evidence)
	require.Contains(t, r.Evidence, "replica of "+a.Addr+", link up, 0 bytes behind")
	require.EqualValues(t, 1, r.Perf["recovery"])
	require.EqualValues(t, 1, r.Perf["link"])
	require.Contains(t, r.Perf, "lag_bytes")

	a.Kill()
	b.Await("lose its master", func(i redis.Info) bool { return !i.LinkUp })
	r = replica()
	require.Equal(t, message.Degraded, r.Answer, "it is still there: %s", r.Evidence)
	require.Contains(t, r.Evidence, "link down")
	require.Zero(t, r.Perf["link"])
}

func TestKilledProcessWakesAndIsHardDown(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	look, woken := looking(t, at(s.Addr, ""))
	for range 3 {
		require.Equal(t, message.Up, look().Answer)
	}
	require.Empty(t, woken, "looks on the kept connection wake nobody")
	require.Contains(t, s.Do("INFO", "stats").Text, "total_connections_received:3", "one of them is the check's: the others are this test's")
	s.Kill()
	<-woken
	r := look()
	require.Equal(t, message.Down, r.Answer)
	require.True(t, r.Hard, r.Evidence)
}

// A connection that the server ends (its time-out, CLIENT KILL) is no death: the look that follows finds it up.
func TestCutConnectionIsNoDeath(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	look, woken := looking(t, at(s.Addr, ""))
	require.Equal(t, message.Up, look().Answer)
	s.Do("CLIENT", "KILL", "TYPE", "normal")
	<-woken
	r := look()
	require.Equal(t, message.Up, r.Answer, r.Evidence)
}

// A master whose disk fails refuses writes: it is down, though it answers.
func TestFailedSave(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Config: []string{"save 3600 1000000", "dbfilename x.rdb"}})
	look, _ := looking(t, at(s.Addr, ""))
	require.Equal(t, message.Up, look().Answer)
	s.Do("SET", "k", "v")
	require.NoError(t, os.Mkdir(filepath.Join(s.Dir, "x.rdb"), 0o700)) // a folder cannot be replaced by a file
	s.Do("BGSAVE")
	s.Await("fail to save", func(i redis.Info) bool { return i.SaveFailed })
	r := look()
	require.Equal(t, message.Down, r.Answer, r.Evidence)
	require.Contains(t, r.Evidence, "MISCONF")
	require.False(t, r.Hard)
}

func TestFrozenIsSilent(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	c := at(s.Addr, "")
	look, _ := looking(t, c)
	require.Equal(t, message.Up, look().Answer)
	s.Freeze()
	c.Timeout = ample / 100
	look, _ = looking(t, c)
	r := look()
	require.Equal(t, message.Down, r.Answer)
	require.True(t, r.Silent, r.Evidence)
	s.Thaw()
}

func TestPausedWrites(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{})
	c := at(s.Addr, "")
	c.Timeout = ample / 100
	look, _ := looking(t, c)
	s.Do("CLIENT", "PAUSE", "60000", "WRITE")
	r := look()
	require.Equal(t, message.Down, r.Answer)
	require.False(t, r.Silent, "it said something: %s", r.Evidence)
	require.Contains(t, r.Evidence, "its writes are paused")
	s.Do("CLIENT", "UNPAUSE")
	require.Equal(t, message.Up, look().Answer)
}

// What concerns our own rights says nothing of the server.
func TestOwnTrouble(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{Config: []string{"user looker on >pass ~ham:probe +info", "user default on nopass ~* +@all"}})
	look, _ := looking(t, at(s.Addr, "${env:pass}"))
	r := look()
	require.Equal(t, message.Unknown, r.Answer, "the server knows no password: %s", r.Evidence)
	for words, want := range map[string]message.Answer{
		"-NOAUTH Authentication required.\r\n":                message.Unknown,
		"-NOPERM this user has no permissions\r\n":            message.Unknown,
		"-DENIED Redis is running in protected mode\r\n":      message.Unknown,
		"-LOADING Redis is loading the dataset in memory\r\n": message.Down,
		"-BUSY Redis is busy running a script\r\n":            message.Down,
		"-ERR max number of clients reached\r\n":              message.Down,
		"HTTP/1.1 400 Bad Request\r\n":                        message.Down,
		"$5\r\nhello\r\n":                                     message.Down,
		"$-1\r\n$-1\r\n":                                      message.Down,
	} {
		look, _ := looking(t, at(answering(t, words+words), ""))
		r := look()
		require.Equal(t, want, r.Answer, "%q: %s", words, r.Evidence)
		require.False(t, r.Hard || r.Silent)
	}
}

func TestNoAddressIsAnError(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "host", ":80", "host:"} {
		_, err := Kind.Open(check.Target{Check: at(address, ""), Wake: func() {}})
		require.Error(t, err, address)
	}
}
