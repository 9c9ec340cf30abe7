package job

import (
	"runtime"
	"strconv"
	"strings"

	"pelton/job/internal/wire"
)

// instance is a configured job: it takes batches as the contract hands them over, and answers in kind.
type instance struct {
	process Process
	out     *Outputs
	outcome wire.Outcome
}

func newInstance(job *Job, parameters [][2]string) (made *instance, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			made, err = nil, Reject(describePanic(cause))
		}
	}()
	process, err := job.New(&Parameters{parameters})
	if err != nil {
		return nil, err
	}
	return &instance{process: process, out: newOutputs(job.Sinks)}, nil
}

// Process handles one batch. The outcome is valid until the next call. After an error the instance can go on; only the
// job's own state is what the panic left.
func (i *instance) Process(batch *wire.Batch) (outcome *wire.Outcome, err error) {
	index := 0
	defer func() {
		if cause := recover(); cause != nil {
			at := "record at partition " + strconv.Itoa(int(batch.Partition)) + " offset " +
				strconv.FormatInt(batch.Offsets[index], 10) + ": "
			outcome, err = nil, Reject(cut(at+describePanic(cause)))
		}
	}()
	i.out.reset()
	clear(i.outcome.Rejects)
	rejects := i.outcome.Rejects[:0]
	for index = range batch.Offsets {
		i.out.record = uint32(index)
		if err := i.process(Record{batch, index}, i.out); err != nil {
			rejects = append(rejects, wire.Reject{Index: uint32(index), Reason: strings.ToValidUTF8(err.Error(), "\uFFFD")})
		}
		if i.out.mistake != "" {
			return nil, Reject(i.out.mistake + " (at offset " + strconv.FormatInt(batch.Offsets[index], 10) + ")")
		}
	}
	i.outcome.Rejects = rejects
	i.outcome.Outputs = i.out.finish(i.outcome.Outputs[:0])
	return &i.outcome, nil
}

// describePanic is what Go would print: the text of the panic, and the job's part of the stack, the innermost call
// first. It must be called by the function that recovered.
func describePanic(cause any) string {
	var text strings.Builder
	text.WriteString("panic: ")
	switch cause := cause.(type) {
	case error:
		text.WriteString(cause.Error())
	case interface{ String() string }:
		text.WriteString(cause.String())
	case string:
		text.WriteString(cause)
	case int:
		text.WriteString(strconv.Itoa(cause))
	default:
		text.WriteString("a " + typeName(cause))
	}
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers[:])])
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if strings.HasPrefix(frame.Function, "pelton/job.") {
			break
		}
		if !strings.HasPrefix(frame.Function, "runtime.") {
			text.WriteString("\n" + frame.Function + "\n\t" + frame.File + ":" + strconv.Itoa(frame.Line))
		}
	}
	return cut(text.String())
}

// cut shortens a text to what the host keeps of it, 4 KiB, and makes it UTF-8.
func cut(text string) string {
	const limit = 4096
	if len(text) > limit {
		text = text[:limit]
	}
	return strings.ToValidUTF8(text, "")
}
