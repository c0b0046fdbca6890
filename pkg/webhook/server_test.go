package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// running starts a server on a free port with the certificate of httptest, and returns how to end it.
func running(t *testing.T, handler http.Handler) (s *Server, tell, end context.CancelFunc, ended <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	draining, tell := context.WithCancel(t.Context())
	ctx, end := context.WithCancel(t.Context())
	certificate := testCertificate(t)
	s = &Server{Address: address, Handler: handler, Draining: draining,
		Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }}
	if s.Ready(nil) == nil {
		t.Error("it is ready before it serves")
	}
	result := make(chan error, 1)
	go func() { result <- s.Start(ctx) }()
	for s.Ready(nil) != nil {
		time.Sleep(time.Millisecond)
	}
	t.Cleanup(end)
	return s, tell, end, result
}

func testCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	double := httptest.NewTLSServer(nil)
	defer double.Close()
	return double.TLS.Certificates[0]
}

// client speaks only one version of HTTP.
func speaking(t *testing.T, s *Server, protocol string) *http.Client {
	t.Helper()
	certificate, _ := s.Certificate(nil)
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com", NextProtos: []string{protocol}}}
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(protocol == "http/1.1")
	transport.Protocols.SetHTTP2(protocol == "h2")
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func post(t *testing.T, c *http.Client, s *Server, body string) (*http.Response, string) {
	t.Helper()
	response, err := c.Post("https://"+s.Address+"/", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func TestTheServerSpeaksHTTP1AndHTTP2(t *testing.T) {
	s, _, end, ended := running(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) { fmt.Fprint(w, request.Proto) }))
	for protocol, want := range map[string]string{"http/1.1": "HTTP/1.1", "h2": "HTTP/2.0"} {
		if _, got := post(t, speaking(t, s, protocol), s, ""); got != want {
			t.Errorf("%s is served as %s", protocol, got)
		}
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestADrainingServerAnswersAndLetsConnectionsGo: told to end, it isn't ready any more, but answers on the connections
// that there are and on new ones, and lets none of them be used again. When it ends, the calls under way are answered.
func TestADrainingServerAnswersAndLetsConnectionsGo(t *testing.T) {
	under, answer := make(chan struct{}), make(chan struct{})
	s, tell, end, ended := running(t, http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		if body, _ := io.ReadAll(request.Body); string(body) == "slow" {
			close(under)
			<-answer
		}
	}))
	c := speaking(t, s, "http/1.1")
	if response, _ := post(t, c, s, ""); response.Close {
		t.Error("a server that isn't draining closes the connection")
	}
	tell()
	if s.Ready(nil) == nil {
		t.Error("it is ready although it is draining")
	}
	for range 2 {
		if response, _ := post(t, c, s, ""); response.StatusCode != http.StatusOK || !response.Close {
			t.Errorf("while draining: %s, close %t", response.Status, response.Close)
		}
	}
	slow := make(chan error, 1)
	go func() {
		response, err := c.Post("https://"+s.Address+"/", "application/json", strings.NewReader("slow"))
		if err == nil {
			response.Body.Close()
		}
		slow <- err
	}()
	<-under
	end()
	select {
	case err := <-ended:
		t.Fatal("it has ended with a call under way:", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(answer)
	if err := <-slow; err != nil {
		t.Error("the call that was under way:", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if s.Ready(nil) == nil {
		t.Error("it is ready although it has ended")
	}
}

// TestADrainingServerLetsConnectionsOfEitherProtocolGo: the calls that it answers while it is draining are the last ones of
// their connections.
func TestADrainingServerLetsConnectionsOfEitherProtocolGo(t *testing.T) {
	for _, protocol := range []string{"http/1.1", "h2"} {
		s, tell, _, _ := running(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		c := speaking(t, s, protocol)
		call := func() (reused bool) {
			trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
			request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, "https://"+s.Address+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := c.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			return reused
		}
		if call() || !call() {
			t.Errorf("%s: a connection isn't used again", protocol)
		}
		tell()
		call()
		// The client hears of it a moment after the answer.
		harness.Eventually(t, 5*time.Second, func() error {
			if call() {
				return errors.New(protocol + ": the connection is used again while the server is draining")
			}
			return nil
		})
	}
}

// TestASlowClientIsCutOff: one that sends its call byte by byte, and one that connects and says nothing.
func TestASlowClientIsCutOff(t *testing.T) {
	asked := make(chan error, 1)
	s := &Server{Draining: t.Context(), Handler: http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		_, err := io.ReadAll(request.Body)
		asked <- err
	})}
	server := s.limited(t.Context())
	for name, limit := range map[string]time.Duration{"ReadHeaderTimeout": server.ReadHeaderTimeout, "ReadTimeout": server.ReadTimeout, "WriteTimeout": server.WriteTimeout} {
		if limit <= 0 || limit > 30*time.Second {
			t.Errorf("%s is %s, which a webhook's client never has", name, limit)
		}
	}
	if server.IdleTimeout <= 90*time.Second || server.MaxHeaderBytes <= 0 {
		t.Errorf("idle connections stay for %s, headers have %d bytes", server.IdleTimeout, server.MaxHeaderBytes)
	}
	// The same server, with less patience.
	server.ReadHeaderTimeout, server.ReadTimeout, server.TLSConfig = 100*time.Millisecond, 100*time.Millisecond, nil
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }() // It ends with the test.
	defer server.Close()
	for _, sent := range []string{"", "POST / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"} {
		connection, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		if err := connection.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(connection, sent); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(connection); err != nil {
			t.Errorf("who has sent %q isn't cut off: %v", sent, err)
		}
	}
	if err := <-asked; err == nil {
		t.Error("half a body is taken for a whole one")
	}
}

func TestAPortThatIsTakenIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := &Server{Address: listener.Addr().String(), Draining: t.Context()}
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), s.Address) {
		t.Error(err)
	}
}

func TestEndAfterEndsLater(t *testing.T) {
	type key struct{}
	parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
	ctx := EndAfter(parent, 50*time.Millisecond)
	cancel()
	if ctx.Err() != nil {
		t.Error("it ends with its parent")
	}
	<-ctx.Done()
	if ctx.Value(key{}) != "kept" {
		t.Error("it has lost the values of its parent")
	}
}
