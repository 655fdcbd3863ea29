package server_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/isacloud/ha-manager/pkg/client/postgres/pgtest"
	"github.com/isacloud/ha-manager/pkg/client/postgres/server"
)

// TestNobodyAcknowledgesAfterAKill: clients write as fast as they can while the server is killed. From the moment at which Kill has returned no
// write is acknowledged; and when the server is started again it has every write that was.
func TestNobodyAcknowledgesAfterAKill(t *testing.T) {
	pg := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"fsync": "on"}})
	s := of(t, pg)
	pg.Exec("CREATE TABLE w (client int, id int)")
	for round := range 5 {
		var acked [8]atomic.Int64
		var over atomic.Bool // set as soon as Kill has returned
		var clients sync.WaitGroup
		late := make(chan string, 100)
		for i := range acked {
			conn := pg.Connect(pgtest.Super)
			clients.Go(func() {
				for id := 1; ; id++ {
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					before := over.Load()
					_, err := conn.Exec(ctx, "INSERT INTO w VALUES ($1, $2)", round*100+i, id)
					cancel()
					if err != nil {
						return
					}
					if before {
						late <- "client " + strconv.Itoa(i) + " began write " + strconv.Itoa(id) + " after the kill, and it was acknowledged"
					}
					acked[i].Store(int64(id))
				}
			})
		}
		for acked[0].Load() < 20 || acked[7].Load() < 20 {
			time.Sleep(time.Millisecond)
		}
		before := pg.Processes()
		proof, err := s.Kill(within(t, patience))
		over.Store(true)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(proof)
		if len(before) < 9 {
			t.Errorf("there were %d processes before, want a backend for each client among them", len(before))
		}
		if left := pg.Processes(); len(left) > 0 {
			t.Errorf("processes %v are left", left)
		}
		clients.Wait()
		close(late)
		for l := range late {
			t.Error(l)
		}
		if err := s.StartPrimary(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		for i := range acked {
			n, _ := strconv.Atoi(pg.Value("SELECT count(*) FROM w WHERE client = " + strconv.Itoa(round*100+i)))
			if n < int(acked[i].Load()) {
				t.Errorf("client %d was told of %d writes, and %d are there", i, acked[i].Load(), n)
			}
		}
	}
}

// TestKillWaitsForBackends: a backend that lives on while the postmaster is dead is what a kill is about. Here the postmaster was killed by
// somebody else, and its backends are frozen so that they do not notice.
func TestKillWaitsForBackends(t *testing.T) {
	pg := pgtest.Start(t, pgtest.Options{})
	s := of(t, pg)
	pg.Connect(pgtest.Super)
	pg.Freeze()
	if err := syscall.Kill(pg.Postmaster(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if evidence, err := s.WatchExit(within(t, patience)); err != nil && !errors.Is(err, server.ErrNotRunning) {
		t.Errorf("the watch says %q, %v", evidence, err)
	}
	if _, err := s.Gone(); !errors.Is(err, server.ErrRunning) {
		t.Errorf("frozen backends are left, and Gone says %v", err)
	}
	proof, err := s.Kill(within(t, patience))
	if err != nil || len(pg.Processes()) > 0 {
		t.Errorf("after the kill %v are left; it says %q, %v", pg.Processes(), proof, err)
	}
	if proof, err := s.Gone(); err != nil {
		t.Errorf("%q, %v", proof, err)
	}
}

// TestKillSparesStrangers: somebody's shell in the data directory is no process of the cluster.
func TestKillSparesStrangers(t *testing.T) {
	pg := pgtest.Start(t, pgtest.Options{})
	s := of(t, pg)
	stranger := exec.Command("sleep", "600")
	stranger.Dir = pg.Data
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- stranger.Wait() }()
	if _, err := s.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	// What Kill kills it waits for: had it been the stranger, its end would be here in a moment. This signal ends it otherwise.
	if err := stranger.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("the stranger was killed too: %v", err)
	}
}

// TestKillEndsAStart: a server that is just being started is killed with the rest, whenever the kill comes.
func TestKillEndsAStart(t *testing.T) {
	pg := pgtest.Start(t, pgtest.Options{Stopped: true})
	s := of(t, pg)
	for i := range 12 {
		started := make(chan error, 1)
		go func() { started <- s.StartPrimary(within(t, patience)) }()
		time.Sleep(time.Duration(i) * 4 * time.Millisecond) // whatever it hits: the kill holds at each moment
		if _, err := s.Kill(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		begun := pg.Processes()
		if err := <-started; err == nil {
			// It was killed after it was up, or is up because it began after the kill.
			if _, err := s.Kill(within(t, patience)); err != nil {
				t.Fatal(err)
			}
		} else if !errors.Is(err, server.ErrKilled) && len(begun) > 0 {
			t.Errorf("round %d: after the kill %v ran: %v", i, begun, err)
		}
	}
	if left := pg.Processes(); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

func TestWatchExitSeesItAtOnce(t *testing.T) {
	pg := pgtest.Start(t, pgtest.Options{})
	s := of(t, pg)
	seen := make(chan time.Time, 1)
	go func() {
		if _, err := s.WatchExit(within(t, patience)); err != nil {
			t.Error(err)
		}
		seen <- time.Now()
	}()
	time.Sleep(20 * time.Millisecond) // nothing depends on it: a watch that begins later says that nothing runs
	began := time.Now()
	if err := syscall.Kill(pg.Postmaster(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Logf("seen after %s", (<-seen).Sub(began))

	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	pg.KillAll() // only what the test remembers of it
	pg.Launch()
	done := make(chan error, 1)
	go func() { _, err := s.WatchExit(ctx); done <- err }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a watch that was cancelled says %v", err)
	}
	if _, err := os.Stat("/proc/" + strconv.Itoa(pg.Postmaster())); err != nil {
		t.Error(err)
	}
}
