package message

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
)

func someHeartbeats() []*Heartbeat {
	usual := Heartbeat{
		Group: "web", Member: "a", Vantage: "sp", Check: "alive", Boot: "b0a1", Seq: 17, Answer: Up, Evidence: "200 in 1.2 ms",
		LatencyMicros: 1234, EveryMicros: 1_000_000, SpecRevision: 3, At: 1_700_000_000_000_000,
	}
	with := func(f func(*Heartbeat)) *Heartbeat {
		m := usual
		f(&m)
		return &m
	}
	return []*Heartbeat{
		&usual, {},
		with(func(m *Heartbeat) { m.Hard, m.Blind, m.Answer, m.LateMicros = true, true, Down, 5 }),
		with(func(m *Heartbeat) { m.Evidence = `he said "no" & <left>` }),
		with(func(m *Heartbeat) { m.Evidence = "não responde\x00" }),
		with(func(m *Heartbeat) { m.Evidence = strings.Repeat("é", 512) }),
		with(func(m *Heartbeat) { m.Evidence = strings.Repeat("é", 513) }),
		with(func(m *Heartbeat) { m.Evidence = "\xff\xfe" }),
		with(func(m *Heartbeat) { m.Perf = map[string]float64{"load1": 0.4} }),
		with(func(m *Heartbeat) { m.Perf = map[string]float64{} }),
		with(func(m *Heartbeat) { m.Seq = 1<<64 - 1 }),
		with(func(m *Heartbeat) { m.Seq = 0 }),
		with(func(m *Heartbeat) { m.LatencyMicros = -1 }),
		with(func(m *Heartbeat) { m.EveryMicros = 999 }),
		with(func(m *Heartbeat) { m.Boot = strings.Repeat("b", 33) }),
		with(func(m *Heartbeat) { m.Boot = strings.Repeat("é", 32) }),
		with(func(m *Heartbeat) { m.Boot = "a b" }),
		with(func(m *Heartbeat) { m.Answer = "perhaps" }),
		with(func(m *Heartbeat) { m.Group = "a.b" }),
	}
}

// same holds the quick way of one heartbeat against the general one.
func same(t *testing.T, m *Heartbeat) {
	t.Helper()
	if general := checker.Struct(m); m.sound() && general != nil {
		t.Errorf("taken for sound: %+v, but %v", m, general)
	}
	if quick, ok := m.appendJSON(nil); ok {
		if general, err := json.Marshal(m); err != nil || string(general) != string(quick) {
			t.Errorf("written as\n%s, want\n%s (%v)", quick, general, err)
		}
	}
}

func TestTheQuickWayOfHeartbeatsSaysWhatTheGeneralOneSays(t *testing.T) {
	usual := 0
	for _, m := range someHeartbeats() {
		same(t, m)
		if _, ok := m.appendJSON(nil); ok && m.sound() {
			usual++
		}
	}
	if usual < 3 {
		t.Errorf("only %d of the examples took the quick way: this shows nothing", usual)
	}
}

// reads holds the quick reading of any bytes against the general one.
func reads(t *testing.T, r *HeartbeatReader, body []byte) (quick bool) {
	t.Helper()
	var want Heartbeat
	wantErr := json.Unmarshal(body, &want)
	if wantErr == nil {
		wantErr = checker.Struct(&want)
	}
	got := Heartbeat{Evidence: "left over", Perf: map[string]float64{"left": 1}, Hard: true, Seq: 99}
	err := r.Read(Header{HeaderType: {heartbeatType}}, body, &got)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("read %q: %v, want %v", body, err, wantErr)
	}
	if err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("read %q as\n%+v, want\n%+v", body, got, want)
	}
	var m Heartbeat
	return r.parse(body, &m) && m.sound()
}

func TestTheQuickReaderOfHeartbeatsReadsWhatTheGeneralOneReads(t *testing.T) {
	r := &HeartbeatReader{}
	quick := 0
	for _, m := range someHeartbeats() {
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if reads(t, r, body) {
			quick++
		}
	}
	if quick < 3 {
		t.Errorf("only %d of the examples took the quick way: this shows nothing", quick)
	}
	ok := `"group":"g","member":"m","vantage":"v","check":"c","boot":"b","seq":1,"answer":"up","latency_us":1,"every_us":1000,"at_us":1`
	for _, body := range []string{
		`{` + ok + `}`, `{` + ok + `,"seq":2}`, `{` + ok + `,"GROUP":"other"}`, `{` + ok + `,"x":1}`, ` {` + ok + `}`, `{` + ok + `} `, `{` + ok + `}}`,
		`{` + ok + `,}`, `{,` + ok + `}`, `{` + ok, `{` + ok + `,"hard":true}`, `{` + ok + `,"hard":truefalse}`, `{` + ok + `,"hard":null}`, `{` + ok + `,"late_us":01}`,
		`{` + ok + `,"late_us":1.0}`, `{` + ok + `,"late_us":1e3}`, `{` + ok + `,"late_us":-1}`, `{` + ok + `,"late_us":99999999999999999999}`, `{` + ok + `,"late_us":}`,
		`{` + ok + `,"evidence":"\u0041"}`, `{` + ok + `,"evidence":"<"}`, `{` + ok + `,"evidence":"` + "\x7f" + `"}`, `{` + ok + `,"perf":{"a":1}}`, `{}`, ``, `{"`, `[]`, `null`, `"`, `{"group":"`,
		`{` + ok + `,"late_us":999999999999999999}`, `{` + ok + `,"late_us":9223372036854775807}`, `{` + ok + `,"late_us":9223372036854775808}`, `{` + ok + `,"hard":true`, `{` + ok + `,"hard":false}`,
	} {
		reads(t, r, []byte(body))
	}
}

func FuzzHeartbeatReader(f *testing.F) {
	for _, m := range someHeartbeats() {
		if body, err := json.Marshal(m); err == nil {
			f.Add(body)
		}
	}
	f.Add([]byte(`{"group":"g","seq":1,"seq":2}`))
	r := &HeartbeatReader{} // kept over all inputs: what it remembers must never show
	f.Fuzz(func(t *testing.T, body []byte) { reads(t, r, body) })
}

func FuzzHeartbeatWriter(f *testing.F) {
	f.Add("g", "m", "v", "c", "b", uint64(1), "up", "e", int64(1), int64(1000), int64(0), uint64(0), int64(1), true)
	f.Add("g", "m", "v", "c", "é", uint64(1), "down", "<&>\"\\\u2028\xff", int64(-1), int64(999), int64(1), uint64(9), int64(-1), false)
	f.Fuzz(func(t *testing.T, g, m, v, c, b string, seq uint64, answer, evidence string, latency, every, late int64, spec uint64, at int64, flag bool) {
		same(t, &Heartbeat{
			Group: g, Member: m, Vantage: v, Check: c, Boot: b, Seq: seq, Answer: Answer(answer), Hard: flag, Evidence: evidence, LatencyMicros: latency,
			EveryMicros: every, LateMicros: late, Blind: !flag, SpecRevision: spec, At: at,
		})
	})
}

func TestTheHeaderFormOfHeartbeatsIsTheGeneralOne(t *testing.T) {
	f := NewHeartbeatForm("/ham/prober/p1")
	for i, m := range someHeartbeats() {
		at := time.Unix(1_700_000_000, int64(i)*1_000_100)
		h, _, err := Encode(m, "/ham/prober/p1", at)
		if err != nil {
			continue
		}
		if got := f.Header(m.MessageID(), m.Group, at); !maps.EqualFunc(got, h, func(a, b []string) bool { return reflect.DeepEqual(a, b) }) {
			t.Errorf("header %v, want %v", got, h)
		}
	}
}

func BenchmarkHeartbeatRead(b *testing.B) {
	m := someHeartbeats()[0]
	h, body, err := Encode(m, "/ham/prober/p1", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	var out Heartbeat
	b.Run("reader", func(b *testing.B) {
		b.ReportAllocs()
		r := &HeartbeatReader{}
		for b.Loop() {
			if err := r.Read(h, body, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("general", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out = Heartbeat{}
			if err := DecodeAs(h, body, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := Encode(m, "/ham/prober/p1", time.Unix(0, 0)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A field or a rule that is added to Heartbeat has to be added to its quick way too: this fails until somebody has looked.
func TestTheQuickWayKnowsEveryFieldAndRule(t *testing.T) {
	const known = `group "group" required,name; member "member" required,name; vantage "vantage" required,name; check "check" required,name; ` +
		`boot "boot" required,max=32,id; seq "seq" min=1; answer "answer" required,oneof=up degraded down unknown; hard "hard,omitempty" ; ` +
		`evidence "evidence,omitempty" max=512; latencymicros "latency_us" min=0; everymicros "every_us" min=1000; latemicros "late_us,omitempty" min=0; ` +
		`blind "blind,omitempty" ; specrevision "spec_revision,omitempty" ; at "at_us" min=0; perf "perf,omitempty" max=64; `
	now := ""
	for f := range reflect.TypeFor[Heartbeat]().Fields() {
		now += strings.ToLower(f.Name) + ` "` + f.Tag.Get("json") + `" ` + f.Tag.Get("validate") + "; "
	}
	if now != known {
		t.Errorf("Heartbeat is now\n%s\nheartbeat_wire.go was written for\n%s\nbring it up to date, then this list", now, known)
	}
}
