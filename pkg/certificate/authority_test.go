package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

const serverName = "kubectl-fluid-webhook.kubectl-fluid-system.svc"

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// renewed renews authorities and fails the test if that fails.
func renewed(t *testing.T, a Authorities, now time.Time) (Authorities, bool) {
	t.Helper()
	authorities, changed, err := a.Renewed(now)
	if err != nil {
		t.Fatal(err)
	}
	return authorities, changed
}

func TestAuthoritiesAreRenewedBeforeTheyRunOutAndKeptUntilThen(t *testing.T) {
	first, changed := renewed(t, nil, start)
	if !changed || len(first) != 1 {
		t.Fatalf("out of nothing: %d authorities, changed %t", len(first), changed)
	}
	const third = (AuthorityLifetime + backdated) / 3
	end := start.Add(AuthorityLifetime)
	for _, test := range []struct {
		name    string
		now     time.Time
		want    int
		changed bool
	}{
		{"at once", start, 1, false},
		{"with a clock that is behind", start.Add(-time.Hour), 1, false},
		{"with a third of its life left", end.Add(-third), 1, false},
		{"with less than a third left", end.Add(-third + time.Second), 2, true},
		{"just before its end", end.Add(-time.Second), 2, true},
		{"at its end", end, 1, true},
	} {
		authorities, changed := renewed(t, first, test.now)
		if len(authorities) != test.want || changed != test.changed {
			t.Errorf("%s: %d authorities, changed %t", test.name, len(authorities), changed)
		}
		if authorities[len(authorities)-1].Certificate.Equal(first[0].Certificate) != (test.now.Before(end)) {
			t.Errorf("%s: the first authority should be in force until its end", test.name)
		}
	}
	second, _ := renewed(t, first, end.Add(-time.Hour))
	if again, changed := renewed(t, second, end.Add(-time.Minute)); changed || len(again) != 2 {
		t.Errorf("after a renewal: %d authorities, changed %t", len(again), changed)
	}
	if last, changed := renewed(t, second, end); !changed || len(last) != 1 || !last[0].Certificate.Equal(second[0].Certificate) {
		t.Errorf("when the old one has run out: %d authorities, changed %t", len(last), changed)
	}
}

func TestAFreshAuthoritySignsOnlyOnceItIsPublished(t *testing.T) {
	alone, _ := renewed(t, nil, start)
	if signer := alone.signer(start, PublishBefore); !signer.Certificate.Equal(alone[0].Certificate) {
		t.Error("the only authority doesn't sign")
	}
	renewal := start.Add(AuthorityLifetime - time.Hour)
	both, _ := renewed(t, alone, renewal)
	for after, fresh := range map[time.Duration]bool{0: false, time.Second: false, PublishBefore: false, PublishBefore + time.Second: true, time.Hour - time.Second: true} {
		if got := both.signer(renewal.Add(after), PublishBefore).Certificate.Equal(both[0].Certificate); got != fresh {
			t.Errorf("%v after the renewal the fresh authority signs: %t", after, got)
		}
	}
}

func TestAuthoritiesSurviveTheirSecret(t *testing.T) {
	authorities, _ := renewed(t, nil, start)
	authorities, _ = renewed(t, authorities, start.Add(AuthorityLifetime-time.Hour))
	keys, err := authorities.Keys()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseAuthorities(authorities.Bundle(), keys)
	if err != nil || len(parsed) != 2 {
		t.Fatalf("%d authorities, %v", len(parsed), err)
	}
	again, err := parsed.Keys()
	if err != nil || !bytes.Equal(again, keys) || !bytes.Equal(parsed.Bundle(), authorities.Bundle()) {
		t.Errorf("they have changed: %v", err)
	}
	if bytes.Contains(parsed.Bundle(), []byte("PRIVATE")) {
		t.Error("the bundle has a key in it")
	}
}

func TestWhatIsWrongWithASecretIsSaidWithoutItsContent(t *testing.T) {
	one, _ := renewed(t, nil, start)
	other, _ := renewed(t, nil, start)
	keys, err := one.Keys()
	if err != nil {
		t.Fatal(err)
	}
	bundle, notASecret := one.Bundle(), "c2VjcmV0IGNvbnRlbnQ="
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(foreign)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		bundle, keys []byte
		want         string
	}{
		"nothing":             {nil, nil, "no certificate"},
		"no PEM":              {[]byte(notASecret), []byte(notASecret), "no certificate"},
		"no key":              {bundle, nil, "not as many"},
		"no certificate":      {nil, keys, "no certificate"},
		"too few keys":        {append(bytes.Clone(bundle), other.Bundle()...), keys, "not as many"},
		"no certificate's":    {pemOf("CERTIFICATE", []byte(notASecret)), keys, "one can't be parsed"},
		"no key's":            {bundle, pemOf("PRIVATE KEY", []byte(notASecret)), "a key can't be parsed"},
		"a key in older form": {bundle, pemOf("EC PRIVATE KEY", sec1), "a key can't be parsed"},
		"another's key":       {other.Bundle(), keys, "doesn't belong"},
		"a key cut off":       {bundle, keys[:len(keys)-30], "not as many"},
	} {
		authorities, err := ParseAuthorities(test.bundle, test.keys)
		if err == nil || authorities != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range strings.Fields(string(keys) + " " + notASecret) {
			if len(part) > 10 && strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error has a part of the Secret in it: %v", name, err)
			}
		}
	}
}

func pemOf(kind string, content []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
}

// verify says why a client that trusts a bundle wouldn't trust a server's certificate.
func verify(bundle []byte, server *x509.Certificate, now time.Time) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err := server.Verify(x509.VerifyOptions{Roots: roots, DNSName: serverName, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

func TestCertificatesAreForTheirServerAndNoLongerThanTheirAuthority(t *testing.T) {
	authorities, _ := renewed(t, nil, start)
	now := start.Add(AuthorityLifetime - time.Hour)
	certificate, err := authorities.Issue(now, PublishBefore, serverName, "other.svc")
	if err != nil {
		t.Fatal(err)
	}
	leaf := certificate.Leaf
	if err := verify(authorities.Bundle(), leaf, now); err != nil {
		t.Error(err)
	}
	if leaf.VerifyHostname("other.svc") != nil || leaf.VerifyHostname("evil.svc") == nil || leaf.IsCA {
		t.Errorf("it is for %v, an authority: %t", leaf.DNSNames, leaf.IsCA)
	}
	if leaf.NotAfter.After(authorities[0].Certificate.NotAfter) {
		t.Errorf("it is valid until %v, its authority until %v", leaf.NotAfter, authorities[0].Certificate.NotAfter)
	}
	if foreign, _ := renewed(t, nil, start); verify(foreign.Bundle(), leaf, now) == nil {
		t.Error("another authority of the same name vouches for it")
	}
}
