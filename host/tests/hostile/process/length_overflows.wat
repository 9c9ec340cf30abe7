;; A list whose length in bytes overflows 32 bits.
(func $process (param $batch i32) (result i32) (call $answer (i32.const 3104) (i32.const 0x7fffffff)))
