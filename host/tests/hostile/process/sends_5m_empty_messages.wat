;; Answers with 5,000,000 empty messages: few bytes, and many of whatever the host keeps for one.
(func $process (param $batch i32) (result i32) (call $messages (i32.const 5000000) (call $new (i32.const 20000000))))
