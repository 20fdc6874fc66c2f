package provider

import "context"

// semaphore limits how many images build at the same time. nil is no limit.
type semaphore chan struct{}

func newSemaphore(limit int) *semaphore {
	s := make(semaphore, limit)
	return &s
}

// acquire waits until one more image may build. If it has to wait, it calls waiting first. It returns the cause if ctx
// ends before. The caller calls release when the build has ended.
func (s *semaphore) acquire(ctx context.Context, waiting func()) error {
	if s == nil {
		return nil
	}
	select {
	case *s <- struct{}{}:
		return nil
	default:
		waiting()
	}
	select {
	case *s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// release lets one more image build.
func (s *semaphore) release() {
	if s != nil {
		<-*s
	}
}
