;; Writes lines of 60 MB to its log.
(func $process (param $batch i32) (result i32)
  (local $at i32)
  (local.set $at (call $text (i32.const 60000000)))
  (call $log (i32.const 4) (local.get $at) (i32.const 60000000))
  (call $log (i32.const 4) (local.get $at) (i32.const 60000000))
  (call $forward_all (local.get $batch)))
