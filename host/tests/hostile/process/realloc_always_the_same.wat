;; Has all that it is given put at one place, the null address.
(func $realloc (param i32 i32 i32 i32) (result i32) (i32.const 0))
(func $process (param $batch i32) (result i32) (call $answer (i32.const 0) (i32.const 0)))
