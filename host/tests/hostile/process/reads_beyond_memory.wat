;; Reads beyond the end of its memory.
(func $process (param $batch i32) (result i32) (i32.load offset=0xfffffff0 (i32.const 64)))
