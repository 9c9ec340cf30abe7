;; Writes a line to its log that clears the terminal, begins another line and goes from right to left.
(data (i32.const 4096) "well\1b[2J\0a2026-01-01 ERROR the host is lost\e2\80\ae.")
(func $process (param $batch i32) (result i32)
  (call $log (i32.const 3) (i32.const 4096) (i32.const 49))
  (call $forward_all (local.get $batch)))
