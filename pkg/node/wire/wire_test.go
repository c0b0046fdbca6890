package wire

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRequestsAreWordsAndNothingElse(t *testing.T) {
	for _, r := range []Request{Mount, Run, Ended, Watch} {
		if got, err := ParseRequest([]byte(r)); err != nil || got != r {
			t.Errorf("ParseRequest(%q) = %q, %v", r, got, err)
		}
	}
	for _, packet := range []string{"", "mount ", "mount\n", "MOUNT", "mount\x00", "watch all", strings.Repeat("x", 1<<16)} {
		if got, err := ParseRequest([]byte(packet)); err == nil {
			t.Errorf("ParseRequest(%.20q) = %q", packet, got)
		} else if len(err.Error()) > 8*RequestBytes {
			t.Errorf("the error about %.20q has %d bytes", packet, len(err.Error()))
		}
	}
}

func TestRepliesComeBackAsTheyWere(t *testing.T) {
	for _, r := range []Reply{{Mounted, "nosuid,nodev,allow_other"}, {Failed, "because  of spaces "}, {Served, ""}, {Kind("later"), "x"}, StartAfter(7)} {
		if got, err := ParseReply(r.Encode()); err != nil || got != r {
			t.Errorf("%+v came back as %+v, %v", r, got, err)
		}
	}
	if s, err := StartAfter(7).Seconds(); s != 7 || err != nil {
		t.Errorf("Seconds() = %d, %v", s, err)
	}
	for _, r := range []Reply{{Start, "-1"}, {Start, "soon"}, {Start, ""}, {Noted, "1"}} {
		if s, err := r.Seconds(); err == nil {
			t.Errorf("%+v says %d seconds", r, s)
		}
	}
}

func TestLongRepliesAreCutAtACharacter(t *testing.T) {
	for filler := range 4 {
		packet := Reply{Waiting, strings.Repeat("x", filler) + strings.Repeat("数", ReplyBytes)}.Encode()
		if len(packet) > ReplyBytes || len(packet) < ReplyBytes-utf8.UTFMax || !utf8.Valid(packet) {
			t.Errorf("a packet of %d bytes, valid: %v", len(packet), utf8.Valid(packet))
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte("mount"))
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, packet []byte) {
		if r, err := ParseRequest(packet); err == nil && string(r) != string(packet) {
			t.Errorf("%q was taken for %q", packet, r)
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("waiting for it"))
	f.Fuzz(func(t *testing.T, packet []byte) {
		r, err := ParseReply(packet)
		if err != nil {
			return
		}
		if again, err := ParseReply(r.Encode()); len(packet) <= ReplyBytes && r.Text != "" && (err != nil || again != r) {
			t.Errorf("%q is %+v, then %+v, %v", packet, r, again, err)
		}
	})
}
