package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// Bounds of what is repeated. Nothing else waits by the clock.
const (
	// SettledInterval is how often masters are asked whose mounts are as they should be.
	SettledInterval = 15 * time.Second
	// unsettledInterval is how often masters are asked that don't answer yet, or whose mounts aren't.
	unsettledInterval = time.Second
	// mountRetry is how soon mounts are tried again that failed.
	mountRetry = 30 * time.Second
	// countRetry is how soon counting is tried again that failed.
	countRetry = 5 * time.Minute
	// countInterval is how often what the origins have is counted.
	countInterval = time.Hour
)

// Kind is a kind of trouble; each has its finding.
type Kind int

// Kinds of trouble.
const (
	TroubleInput Kind = iota
	TroubleName
	TroubleRefused
	TroublePods
	TroubleMount
)

// Trouble is what keeps a runtime from being as it should be, and takes somebody to do something.
type Trouble struct {
	Kind   Kind
	Object string
	Text   string
}

// Step is what to do next for a runtime.
type Step struct {
	// Gates says of masters by the name of their pod whether they have their mounts, where that is to be written.
	Gates map[string]bool
	// Create and Delete are Jobs.
	Create []*batchv1.Job
	Delete []*batchv1.Job
	// Read are the outcomes of Jobs that are to be deleted, to be remembered.
	Read map[JobKind]Attempt
	// Mounted means that masters have all their mounts.
	Mounted bool
	// Waiting says what is waited for, if nothing is wrong.
	Waiting  string
	Troubles []Trouble
	// Again is when to look again without an event; zero for SettledInterval.
	Again time.Duration
}

func (s *Step) trouble(kind Kind, object, format string, args ...any) {
	s.Troubles = append(s.Troubles, Trouble{kind, object, fmt.Sprintf(format, args...)})
}

// again asks to be called within some time.
func (s *Step) again(within time.Duration) {
	if s.Again == 0 || within < s.Again {
		s.Again = max(within, 100*time.Millisecond)
	}
}

// Decide says what to do next, from what there is.
func (e *Engine) Decide(o *Observed) *Step {
	step := &Step{Gates: map[string]bool{}, Read: map[JobKind]Attempt{}}
	e.checkPods(step, o)
	masters := o.Addresses()
	switch {
	case len(masters) == 0:
		step.Waiting = "no master runs yet"
		return step
	case o.Info == nil:
		step.Waiting = "the masters don't answer yet"
		if o.InfoProblem != "" {
			step.Waiting += ": " + o.InfoProblem
		}
		step.again(unsettledInterval)
		return step
	}
	e.decideMounts(step, o, masters)
	e.decideGates(step, o)
	e.decideCount(step, o, masters)
	return step
}

// AskInterval is how long to wait between two questions to the masters, given their last answer; nil if there is none.
func (e *Engine) AskInterval(answer *MasterInfo) time.Duration {
	if answer == nil || len(operationsFor(e.mounts, answer.MountPoints)) > 0 {
		return unsettledInterval
	}
	return SettledInterval
}

// checkPods says which pods don't run, and why.
func (e *Engine) checkPods(step *Step, o *Observed) {
	for _, set := range []struct {
		name string
		pods []corev1.Pod
		want int32
	}{{MasterName(e.runtime.Name), o.Masters, int32(e.Masters())}, {WorkerName(e.runtime.Name), o.Workers, e.runtime.Spec.Replicas}} {
		for i := range set.pods {
			if text := podTrouble(&set.pods[i]); text != "" {
				step.trouble(TroublePods, "StatefulSet "+e.runtime.Namespace+"/"+set.name, "%s", text)
			}
		}
		if int32(len(set.pods)) < set.want {
			if text := o.Refused[set.name]; text != "" {
				step.trouble(TroublePods, "StatefulSet "+e.runtime.Namespace+"/"+set.name, "its pods aren't created: %s", text)
			}
		}
	}
}

// decideMounts makes, reads and deletes the Job that makes the mount table what it should be.
func (e *Engine) decideMounts(step *Step, o *Observed, masters []string) {
	operations := operationsFor(e.mounts, o.Info.MountPoints)
	hash := hashOf(operations, o.Identity())
	if staleRoot(e.mounts, o.Info.MountPoints) {
		step.trouble(TroubleMount, "Dataset "+e.key().String(), "the mount at / is another than what the masters' journal has: delete the pods of StatefulSet %s, all at once",
			MasterName(e.runtime.Name))
	} else {
		step.Mounted = len(operations) == 0
	}
	attempt, tried := o.Attempts[JobMount]
	if running, exists := o.Jobs[JobMount]; exists {
		read := e.readJob(step, o, JobMount, running, hash)
		if read == nil {
			return
		}
		attempt, tried = *read, true
	} else if len(operations) > 0 {
		switch {
		case tried && !o.InfoAt.After(attempt.At):
			step.again(unsettledInterval) // the masters have to be asked what came of it
		case tried && attempt.Hash == hash && o.Now.Sub(attempt.At) < mountRetry:
			step.again(mountRetry - o.Now.Sub(attempt.At))
		default:
			step.Create = append(step.Create, e.job(JobMount, masters, operations, hash))
			step.Waiting = "the mounts are being made"
		}
	}
	if tried && len(operations) > 0 {
		e.sayFailures(step, &attempt)
	}
}

// sayFailures names the mounts that failed, and why.
func (e *Engine) sayFailures(step *Step, attempt *Attempt) {
	object := "Dataset " + e.key().String()
	for _, result := range attempt.Results {
		if !result.OK {
			step.trouble(TroubleMount, object, "the mount %q at %s failed: %s", nameOf(e.mounts, result.Path), result.Path, result.Text)
		}
	}
	if attempt.Problem != "" {
		step.trouble(TroubleMount, object, "Job %s, which mounts, failed: %s", JobName(e.runtime.Name, JobMount), attempt.Problem)
	}
}

// readJob looks at a Job that exists, and returns its outcome when it has ended. One that was made for something else is
// deleted.
func (e *Engine) readJob(step *Step, o *Observed, kind JobKind, observed ObservedJob, hash string) *Attempt {
	job := observed.Job
	outcome := OutcomeOf(job, observed.Pods)
	made := job.Annotations[AnnotationConfigHash]
	switch {
	case job.DeletionTimestamp != nil:
	case !outcome.Finished.IsZero():
		attempt := Attempt{Hash: made, At: o.Now, Outcome: outcome}
		step.Read[kind] = attempt
		step.Delete = append(step.Delete, job)
		step.again(unsettledInterval)
		return &attempt
	case made != hash:
		step.Delete = append(step.Delete, job)
	default:
		step.Waiting = "Job " + job.Name + " runs"
		object := "Job " + job.Namespace + "/" + job.Name
		for i := range observed.Pods {
			if text := podTrouble(&observed.Pods[i]); text != "" {
				step.trouble(TroublePods, object, "%s", text)
			}
		}
		if text := o.Refused[job.Name]; len(observed.Pods) == 0 && text != "" {
			step.trouble(TroublePods, object, "its pod isn't created: %s", text)
		}
	}
	return nil
}

// decideGates says which masters may be found by clients. One that has been found stays so while a mount is added or fails,
// but not when its journal is lost.
func (e *Engine) decideGates(step *Step, o *Observed) {
	lost := len(e.mounts) > 0
	for i := range e.mounts {
		if _, there := o.Info.MountPoints[e.mounts[i].Path]; there {
			lost = false
		}
	}
	for i := range o.Masters {
		pod := &o.Masters[i]
		is := podCondition(pod, ConditionMounted)
		wanted := step.Mounted || (is == corev1.ConditionTrue && !lost)
		if is == corev1.ConditionUnknown || wanted != (is == corev1.ConditionTrue) {
			step.Gates[pod.Name] = wanted
		}
	}
}

// decideCount counts what the origins have when the mounts have changed, and now and then.
func (e *Engine) decideCount(step *Step, o *Observed, masters []string) {
	hash := e.mountsHash()
	if observed, exists := o.Jobs[JobCount]; exists {
		e.readJob(step, o, JobCount, observed, hash)
		return
	}
	if !step.Mounted {
		return
	}
	last, counted := o.Attempts[JobCount]
	wait := countInterval
	if _, err := last.counts(); err != nil {
		wait = countRetry
	}
	if counted && last.Hash == hash && o.Now.Sub(last.At) < wait {
		return
	}
	step.Create = append(step.Create, e.job(JobCount, masters, []Operation{{Verb: "count", Path: "/"}}, hash))
}

// counts reads the result of counting.
func (a *Attempt) counts() (Counts, error) {
	for _, result := range a.Results {
		if result.OK && result.Verb == "count" {
			return ParseCounts(result.Text)
		}
	}
	return Counts{}, fmt.Errorf("nothing was counted")
}

// mountsHash identifies all mounts.
func (e *Engine) mountsHash() string {
	hash := sha256.New()
	for i := range e.mounts {
		fmt.Fprintln(hash, e.mounts[i].Hash())
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

func hashOf(operations []Operation, identity string) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %s", operations, identity)
	return hex.EncodeToString(hash.Sum(nil)[:8])
}
