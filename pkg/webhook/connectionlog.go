package webhook

import (
	"log"
	"strings"

	"github.com/go-logr/logr"
)

// connectionLog receives what net/http says of connections. Failed handshakes are nothing to worry about: probes of
// load balancers, or API servers that don't know of a new certificate authority yet.
func connectionLog(logger logr.Logger) *log.Logger {
	return log.New(connectionLogger{logger}, "", 0)
}

type connectionLogger struct{ logger logr.Logger }

// Write logs one line.
func (l connectionLogger) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if strings.Contains(text, "TLS handshake error") {
		l.logger.V(1).Info("Handshake failed", "reason", text)
	} else {
		l.logger.Info("Connection failed", "reason", text)
	}
	return len(line), nil
}
