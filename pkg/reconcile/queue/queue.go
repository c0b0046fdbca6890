// Package queue says which objects events enqueue, and how soon a reconcile is repeated that failed.
package queue

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// StaleDelay is how soon a reconcile is repeated that met somebody else's write: by then the cache has that write.
	StaleDelay = 50 * time.Millisecond

	// firstBackOff is how soon a reconcile is repeated that failed. The delay doubles with each further failure.
	firstBackOff = 5 * time.Millisecond
	// mostBackOff bounds that delay. No event says that the API server has recovered from what made a reconcile fail.
	mostBackOff = 30 * time.Second
)

// BackOff repeats reconciles that failed: after 5 ms, and after twice as long each time, up to 30 s.
func BackOff() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackOff, mostBackOff)
}

// Concerned enqueues the objects that an event's object concerns.
func Concerned(concerned func(context.Context, client.Object) []types.NamespacedName) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, object client.Object) []reconcile.Request {
		return Requests(concerned(ctx, object))
	})
}

// Requests returns the requests to reconcile some objects.
func Requests(keys []types.NamespacedName) []reconcile.Request {
	requests := make([]reconcile.Request, len(keys))
	for i, key := range keys {
		requests[i].NamespacedName = key
	}
	return requests
}
