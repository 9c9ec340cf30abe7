;; Answers well, and traps when its answer has been read.
(func $after (param i32) (unreachable))
