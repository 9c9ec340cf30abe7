;; Divides by zero.
(func $process (param $batch i32) (result i32) (i32.div_u (i32.const 1) (i32.sub (local.get $batch) (local.get $batch))))
