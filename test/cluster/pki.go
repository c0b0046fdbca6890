package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// authority is a certificate authority with its files in dir.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// identity is what a certificate says of its holder.
type identity struct {
	file   string // name of the files, without .crt and .key
	user   string // common name: the Kubernetes user
	group  string // organisation: the Kubernetes group
	server bool   // also valid for serving on 127.0.0.1
	names  []string
	ips    []net.IP
}

// newAuthority makes a certificate authority, <name>.crt and <name>.key in dir.
func newAuthority(dir, name string) (*authority, error) {
	a := &authority{dir: dir}
	template := certificateTemplate(identity{user: name})
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage |= x509.KeyUsageCertSign
	template.ExtKeyUsage = nil
	key, crt, err := signCertificate(template, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("make the certificate authority %s: %w", name, err)
	}
	a.key, a.cert = key, crt
	return a, a.write(name, key, crt)
}

// issue writes a certificate and its key to files in the authority's directory.
func (a *authority) issue(id identity) error {
	key, crt, err := signCertificate(certificateTemplate(id), a.cert, a.key)
	if err != nil {
		return fmt.Errorf("make the certificate %s: %w", id.file, err)
	}
	return a.write(id.file, key, crt)
}

func (a *authority) write(name string, key *ecdsa.PrivateKey, crt *x509.Certificate) error {
	if err := writeKey(filepath.Join(a.dir, name+".key"), key); err != nil {
		return err
	}
	data, err := cert.EncodeCertificates(crt)
	if err != nil {
		return fmt.Errorf("encode the certificate %s: %w", name, err)
	}
	return writeFile(filepath.Join(a.dir, name+".crt"), data, 0o600)
}

func certificateTemplate(id identity) *x509.Certificate {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: id.user},
		// Some slack for clocks that are set back.
		NotBefore:   time.Now().Add(-time.Hour),
		NotAfter:    time.Now().AddDate(1, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		DNSNames:    id.names,
		IPAddresses: id.ips,
	}
	if id.group != "" {
		template.Subject.Organization = []string{id.group}
	}
	if id.server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
		template.DNSNames = append(template.DNSNames, "localhost")
		template.IPAddresses = append(template.IPAddresses, net.IPv4(127, 0, 0, 1))
	}
	return template
}

// signCertificate makes a key and its certificate; without a parent, it signs itself.
func signCertificate(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, nil, err
	}
	crt, err := x509.ParseCertificate(der)
	return key, crt, err
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	data, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return fmt.Errorf("encode the key %s: %w", path, err)
	}
	return writeFile(path, data, 0o600)
}

// writeFile writes a file whose directory is made if need be.
func writeFile(path string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, mode)
}
