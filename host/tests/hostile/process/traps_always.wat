;; Traps on whatever it gets.
(func $process (param $batch i32) (result i32) (unreachable))
