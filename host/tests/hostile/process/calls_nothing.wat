;; Calls an element of a table that is empty.
(table $t 10 funcref)
(func $process (param $batch i32) (result i32) (call_indirect $t (result i32) (i32.const 3)))
