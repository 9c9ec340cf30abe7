;; Writes lines of NUL and other control characters to its log until its time is over.
(func $configure (param i32 i32) (result i32)
  (loop $for_ever (call $log (i32.const 2) (i32.const 1024) (i32.const 100)) (br $for_ever))
  (unreachable))
