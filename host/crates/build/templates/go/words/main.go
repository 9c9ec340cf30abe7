// Passes on the words that are longer than a parameter says.
package main

import (
	"strings"

	"pelton/job"
)

var longWords = job.Topic("long_words")

var words = &job.Job{
	Name: "{{name}}", Version: "0.1.0", Description: "{{description}}",
	Sources: []job.Source{{Topic: "words"}},
	Sinks:   []*job.Sink{longWords},
	Parameters: []job.Parameter{
		{Name: "longest", Description: "words of up to so many bytes are dropped", Default: "4"},
	},
	New: func(parameters *job.Parameters) (job.Process, error) {
		longest, err := parameters.Int("longest")
		if err != nil {
			return nil, err
		}
		// Called with one record at a time. To drop one is to emit nothing.
		return func(record job.Record, out *job.Outputs) error {
			word, err := record.Text()
			if err != nil {
				return err
			}
			if strings.Contains(word, " ") {
				return job.Reject("more than one word")
			}
			if int64(len(word)) > longest {
				out.Forward(longWords)
			}
			return nil
		}, nil
	},
}

func init() { job.Export(words) }

func main() {}
