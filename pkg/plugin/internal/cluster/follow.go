package cluster

import (
	"context"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// rewatchDelay keeps a server that ends each watch at once from being asked all the time.
const rewatchDelay = time.Second

// Follower is told about Datasets, first all that there are and then each one that changes. Either method ends Follow
// with done or an error.
type Follower interface {
	// Listed gets all Datasets, at first and each time that a watch has ended.
	Listed(ctx context.Context, datasets []datav1alpha1.Dataset) (done bool, err error)
	// Changed gets a Dataset that was created, changed or deleted.
	Changed(ctx context.Context, dataset *datav1alpha1.Dataset, deleted bool) (done bool, err error)
}

// Follow lists and watches the Datasets that match the options, until the follower has seen enough. When the server ends
// a watch, or no longer has the changes since the list, it lists and watches again. Any other error ends it.
func Follow(ctx context.Context, c client.WithWatch, follower Follower, options ...client.ListOption) error {
	for {
		if done, err := followOnce(ctx, c, follower, options); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rewatchDelay):
		}
	}
}

// followOnce lists the Datasets and watches them; done is false if the server ended the watch.
func followOnce(ctx context.Context, c client.WithWatch, follower Follower, options []client.ListOption) (done bool, err error) {
	var datasets []datav1alpha1.Dataset
	since := &metav1.ListOptions{}
	for page, err := range Pages(ctx, c, &datav1alpha1.DatasetList{}, options...) {
		if err != nil {
			return false, err
		}
		// All pages are of the time of the first one.
		datasets, since.ResourceVersion = append(datasets, page.Items...), page.ResourceVersion
	}
	if done, err = follower.Listed(ctx, datasets); done || err != nil {
		return done, err
	}
	watcher, err := c.Watch(ctx, &datav1alpha1.DatasetList{}, append(slices.Clone(options), &client.ListOptions{Raw: since})...)
	if err != nil {
		return false, err
	}
	defer watcher.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case event, open := <-watcher.ResultChan():
			if !open {
				return false, nil
			}
			if event.Type == watch.Error {
				if err := apierrors.FromObject(event.Object); !apierrors.IsGone(err) && !apierrors.IsResourceExpired(err) {
					return false, err
				}
				return false, nil
			}
			dataset, ok := event.Object.(*datav1alpha1.Dataset)
			if !ok || event.Type == watch.Bookmark {
				continue
			}
			if done, err := follower.Changed(ctx, dataset, event.Type == watch.Deleted); done || err != nil {
				return done, err
			}
		}
	}
}
