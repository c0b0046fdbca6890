// Package webhook is the HTTPS server that answers the API server's AdmissionReviews: what it accepts, how much of it at
// once, and how it ends without a call that fails.
package webhook
