;; Writes a line that lies beyond its memory.
(func $process (param $batch i32) (result i32)
  (call $log (i32.const 2) (i32.const -16) (i32.const 100))
  (call $forward_all (local.get $batch)))
