;; Answers well, and loops when its answer has been read.
(func $after (param i32) (loop $for_ever (br $for_ever)))
