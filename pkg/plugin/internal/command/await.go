package command

import "context"

// Await returns what read returns, or the context's error if that ends before: who reads from a terminal can't be
// interrupted otherwise. Then read goes on, and what it reads is lost.
func Await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := read()
		answers <- answer{value, err}
	}()
	select {
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	case a := <-answers:
		return a.value, a.err
	}
}
