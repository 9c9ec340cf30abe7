;; Imports the log under another type.
(import "pelton:job/log@0.1.0" "log" (func $other (param i64) (result i64)))
