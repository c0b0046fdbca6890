package cluster

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
)

// javaKeyStore returns the certificates of a PEM bundle as a key store of the type JKS, version 2, which every Java reads, with
// the password that Java expects. The same bundle always makes the same store.
func javaKeyStore(bundle []byte) []byte {
	const (
		magic, version     = 0xfeedfeed, 2
		trustedCertificate = 2
		password           = "changeit"
	)
	var entries bytes.Buffer
	number := func(n uint32) { entries.Write(binary.BigEndian.AppendUint32(nil, n)) }
	text := func(s string) {
		entries.Write(binary.BigEndian.AppendUint16(nil, uint16(len(s))))
		entries.WriteString(s)
	}
	count := uint32(0)
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		number(trustedCertificate)
		text(fmt.Sprintf("ca-%03d", count))
		entries.Write(make([]byte, 8)) // When it was made: never.
		text("X.509")
		number(uint32(len(block.Bytes)))
		entries.Write(block.Bytes)
		count++
	}
	var store []byte
	for _, n := range []uint32{magic, version, count} {
		store = binary.BigEndian.AppendUint32(store, n)
	}
	store = append(store, entries.Bytes()...)
	// Java finds by this sum that the password is right: of the password in UTF-16, two words that never change, and the store.
	var keyed []byte
	for _, letter := range password {
		keyed = binary.BigEndian.AppendUint16(keyed, uint16(letter))
	}
	keyed = append(append(keyed, "Mighty Aphrodite"...), store...)
	sum := sha1.Sum(keyed)
	return append(store, sum[:]...)
}
