;; Writes to the topic in which Kafka keeps transactions.
(data (i32.const 4096) "__transaction_state")
(func $describe (result i32)
  (i32.store (i32.const 1116) (i32.const 4096))
  (i32.store (i32.const 1120) (i32.const 19))
  (i32.const 1024))
