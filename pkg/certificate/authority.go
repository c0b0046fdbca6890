// Package certificate makes and rotates the certificates of the webhook server.
//
// Certificate authorities live in one Secret and overlap: a new one is published in the webhook configurations some
// time before it signs. The server's own certificate is only ever in the memory of its process.
package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// Lifetimes. A certificate authority is renewed when a third of its life is left, a server's certificate likewise.
const (
	AuthorityLifetime = 365 * 24 * time.Hour
	ServerLifetime    = 30 * 24 * time.Hour
	// PublishBefore is how long a new authority is published before it signs, if a Keeper isn't told otherwise: longer
	// than an API server needs to hear of a changed webhook configuration.
	PublishBefore = 5 * time.Minute
	// maxAuthorities bounds what is published, whatever makes authorities: the oldest go.
	maxAuthorities = 32
	// backdated allows for clocks that are behind.
	backdated = time.Minute
)

// Authority is a certificate authority that can sign.
type Authority struct {
	Certificate *x509.Certificate
	key         crypto.Signer
}

// Authorities are those that are in force, the newest first.
type Authorities []Authority

// NewAuthority makes a certificate authority.
func NewAuthority(now time.Time) (Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Authority{}, fmt.Errorf("making the key of a certificate authority: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "kubectl-fluid-webhook-ca"},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(AuthorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	certificate, err := sign(template, template, key.Public(), key)
	return Authority{certificate, key}, err
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

// expiring reports whether less than a third of a certificate's life is left.
func expiring(certificate *x509.Certificate, now time.Time) bool {
	life := certificate.NotAfter.Sub(certificate.NotBefore)
	return now.After(certificate.NotAfter.Add(-life / 3))
}

// Renewed returns the authorities that should be in force: those that haven't run out, and a new one in front if the
// newest is about to. It reports whether anything changed.
func (a Authorities) Renewed(now time.Time) (Authorities, bool, error) {
	var kept Authorities
	for _, authority := range a {
		if now.Before(authority.Certificate.NotAfter) {
			kept = append(kept, authority)
		}
	}
	if len(kept) > 0 && !expiring(kept[0].Certificate, now) {
		return kept, len(kept) != len(a), nil
	}
	rotated, err := kept.Rotated(now)
	return rotated, true, err
}

// Rotated returns the authorities with a new one in front.
func (a Authorities) Rotated(now time.Time) (Authorities, error) {
	fresh, err := NewAuthority(now)
	if err != nil {
		return nil, err
	}
	return append(Authorities{fresh}, a...).bounded(), nil
}

func (a Authorities) bounded() Authorities { return a[:min(len(a), maxAuthorities)] }

// Merged returns these authorities and others, each once, the newest first.
func (a Authorities) Merged(others Authorities) Authorities {
	merged := slices.Clone(a)
	for _, other := range others {
		if !slices.ContainsFunc(a, func(present Authority) bool { return present.Certificate.Equal(other.Certificate) }) {
			merged = append(merged, other)
		}
	}
	slices.SortStableFunc(merged, func(x, y Authority) int { return y.Certificate.NotBefore.Compare(x.Certificate.NotBefore) })
	return merged.bounded()
}

// equal reports whether both are the same in the same order.
func (a Authorities) equal(b Authorities) bool {
	return slices.EqualFunc(a, b, func(x, y Authority) bool { return x.Certificate.Equal(y.Certificate) })
}

// signer returns the newest authority that has been published long enough; the oldest if none has.
func (a Authorities) signer(now time.Time, publishBefore time.Duration) Authority {
	for _, authority := range a {
		if now.After(authority.Certificate.NotBefore.Add(backdated + publishBefore)) {
			return authority
		}
	}
	return a[len(a)-1]
}

// Bundle returns the certificates in PEM, as a caBundle has them.
func (a Authorities) Bundle() []byte {
	var certificates []*x509.Certificate
	for _, authority := range a {
		certificates = append(certificates, authority.Certificate)
	}
	// Writing to memory doesn't fail.
	bundle, _ := cert.EncodeCertificates(certificates...)
	return bundle
}

// Keys returns the private keys in PEM, in the order of Bundle. They are in PKCS #8, which replicas of earlier versions read;
// keyutil of client-go writes another form.
func (a Authorities) Keys() ([]byte, error) {
	var keys []byte
	for _, authority := range a {
		der, err := x509.MarshalPKCS8PrivateKey(authority.key)
		if err != nil {
			return nil, fmt.Errorf("encoding the key of a certificate authority: %w", err)
		}
		keys = append(keys, pem.EncodeToMemory(&pem.Block{Type: keyutil.PrivateKeyBlockType, Bytes: der})...)
	}
	return keys, nil
}

// ParseAuthorities reads what Bundle and Keys wrote. The error never contains any of it.
func ParseAuthorities(bundle, keys []byte) (Authorities, error) {
	certificates, err := cert.ParseCertsPEM(bundle)
	if err != nil {
		return nil, errors.New("there is no certificate, or one can't be parsed")
	}
	var authorities Authorities
	for _, certificate := range certificates {
		var block *pem.Block
		if block, keys = pem.Decode(keys); block == nil {
			return nil, errors.New("there are not as many keys as certificates")
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("a key can't be parsed")
		}
		signer, ok := key.(*ecdsa.PrivateKey)
		if !ok || !signer.PublicKey.Equal(certificate.PublicKey) {
			return nil, errors.New("a key doesn't belong to its certificate")
		}
		authorities = append(authorities, Authority{certificate, signer})
	}
	if block, _ := pem.Decode(keys); block != nil {
		return nil, errors.New("there are not as many certificates as keys")
	}
	return authorities, nil
}

// Issue makes a server's certificate for DNS names, signed by the newest authority that has been published long enough.
func (a Authorities) Issue(now time.Time, publishBefore time.Duration, names ...string) (*tls.Certificate, error) {
	authority := a.signer(now, publishBefore)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the webhook server's key: %w", err)
	}
	until := now.Add(ServerLifetime)
	if until.After(authority.Certificate.NotAfter) {
		until = authority.Certificate.NotAfter
	}
	certificate, err := sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: names[0]},
		DNSNames:    names,
		NotBefore:   now.Add(-backdated),
		NotAfter:    until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, authority.Certificate, key.Public(), authority.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key, Leaf: certificate}, nil
}
