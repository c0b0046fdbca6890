package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Timeouts of the server. The API server gives up a call after the webhook's timeoutSeconds, 5 here.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = 15 * time.Second
	// idleTimeout is longer than the 90 s after which the API server closes idle connections itself (client-go v0.37):
	// when both close one at the same time, a call can get lost.
	idleTimeout = 3 * time.Minute
	// shutdownTimeout is for calls that are under way when the server ends.
	shutdownTimeout = 10 * time.Second
	maxHeaderBytes  = 64 << 10
)

// Server serves webhooks over TLS, HTTP/1.1 (which the API server speaks to Services) and HTTP/2. A manager starts it
// once its caches are filled, on every replica.
type Server struct {
	// Address is where it listens, host:port.
	Address string
	// Certificate gives the certificate of each new connection.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Handler answers the calls.
	Handler http.Handler
	// Draining is done when the process has been told to end. The server goes on answering until the context of Start
	// ends too, and lets no connection live longer than its next call.
	Draining context.Context

	serving atomic.Bool
}

var _ manager.LeaderElectionRunnable = &Server{}

// NeedLeaderElection says no: all replicas serve.
func (*Server) NeedLeaderElection() bool { return false }

// Start serves until ctx ends and the calls that are under way then are answered.
func (s *Server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("serving webhooks on %s: %w", s.Address, err)
	}
	server := s.limited(ctx)
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		ended <- server.Shutdown(patience)
	})
	defer stop()
	s.serving.Store(true)
	defer s.serving.Store(false)
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving webhooks on %s: %w", s.Address, err)
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("ending the calls of webhooks on %s: %w", s.Address, err)
	}
	return nil
}

// limited returns the HTTP server, for which no client can take as long, or send as much, as it likes.
func (s *Server) limited(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           s.drained(s.Handler),
		TLSConfig:         &tls.Config{GetCertificate: s.Certificate, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          connectionLog(log.FromContext(ctx)),
	}
}

// drained tells clients not to use their connection again once the server is draining. Closing idle connections
// instead would lose the call that is just being sent.
func (s *Server) drained(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if s.Draining.Err() != nil {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, request)
	})
}

// Ready is a readiness check: it fails before the server serves, and from when the process has been told to end.
func (s *Server) Ready(*http.Request) error {
	switch {
	case s.Draining.Err() != nil:
		return errors.New("the webhook server is draining")
	case !s.serving.Load():
		return errors.New("the webhook server doesn't serve yet")
	}
	return nil
}

// EndAfter returns a context with the values of parent that ends some time after it: the time in which a server that has
// been told to end goes on answering, because the API server may not know yet that it is going.
func EndAfter(parent context.Context, delay time.Duration) context.Context {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	context.AfterFunc(parent, func() { time.AfterFunc(delay, cancel) })
	return ctx
}
