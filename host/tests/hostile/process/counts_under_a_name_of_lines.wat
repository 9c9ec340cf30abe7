;; Counts under a name that writes lines of its own into what Prometheus reads, and under one of 1 MB.
(data (i32.const 4096) "a\22} 1\0apelton_job_up{job=\22others\22} 0\0ab{")
(func $process (param $batch i32) (result i32)
  (call $count (i32.const 4096) (i32.const 42) (i64.const 1))
  (call $gauge (i32.const 4096) (i32.const 42) (f64.const 1))
  (call $count (call $text (i32.const 1000000)) (i32.const 1000000) (i64.const 1))
  (call $forward_all (local.get $batch)))
