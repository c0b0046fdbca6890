package load

import (
	"os"
	"testing"
)

// TestMain is also the main function of the null webhook, which is a process of its own as the controller is.
func TestMain(m *testing.M) {
	if address := os.Getenv(nullWebhookEnv); address != "" {
		serveNullWebhook(address)
		return
	}
	os.Exit(m.Run())
}
