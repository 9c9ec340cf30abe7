;; 2,000,000 rows from one record.
(data (i32.const 1060) "\02")
(func $process (param $batch i32) (result i32) (call $rows (i32.const 2000000) (call $new (i32.const 8000000))))
