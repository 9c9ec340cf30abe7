;; Answers with an error that clears the terminal, writes a line of its own and goes from right to left.
(data (i32.const 4096) "no\1b[2J\0aall is well\e2\80\ae.")
(func $process (param $batch i32) (result i32)
  (i32.store8 (i32.const 3072) (i32.const 1))
  (i32.store offset=4 (i32.const 3072) (i32.const 4096))
  (i32.store offset=8 (i32.const 3072) (i32.const 22))
  (i32.const 3072))
