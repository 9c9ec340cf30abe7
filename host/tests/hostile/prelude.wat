;; What a guest is made of where its own text does not say otherwise: a job that forwards its records. A paragraph is left
;; out where the guest has one that begins with the same two words. Memory: at 1024 the spec (`spec.rs`), at 2048 what
;; `configure` answers, at 3072 what `process` answers, at 3104 its one output, at 3232 the columns of its rows; from 8192
;; on what is allocated, until the call is over. What is not written is zero.

(import "pelton:job/log@0.1.0" "log" (func $log (param $level i32) (param $at i32) (param $length i32)))

(import "pelton:job/metrics@0.1.0" "count" (func $count (param $at i32) (param $length i32) (param $by i64)))

(import "pelton:job/metrics@0.1.0" "gauge" (func $gauge (param $at i32) (param $length i32) (param $to f64)))

;; HERE

(memory $memory 2)

(global $heap (mut i32) (i32.const 8192))

(func $realloc (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32)
  (call $new (local.get $size)))

(func $new (param $size i32) (result i32)
  (local $at i32) (local $lack i32)
  (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
  (global.set $heap (i32.add (local.get $at) (local.get $size)))
  (local.set $lack (i32.sub (global.get $heap) (i32.shl (memory.size) (i32.const 16))))
  (if (i32.gt_s (local.get $lack) (i32.const 0)) (then
    (if (i32.eq (memory.grow (i32.add (i32.shr_u (local.get $lack) (i32.const 16)) (i32.const 1))) (i32.const -1))
      (then (unreachable)))))
  (local.get $at))

;; So many bytes `x`.
(func $text (param $size i32) (result i32)
  (local $at i32)
  (local.set $at (call $new (local.get $size)))
  (memory.fill (local.get $at) (i32.const 120) (local.get $size))
  (local.get $at))

(func $describe (result i32)
  (i32.const 1024))

(func $configure (param $parameters i32) (param $count i32) (result i32)
  (i32.const 2048))

(func $process (param $batch i32) (result i32)
  (call $forward_all (local.get $batch)))

(func $after (param $answer i32)
  (global.set $heap (i32.const 8192)))

;; The number of records of a batch.
(func $records (param $batch i32) (result i32)
  (i32.shr_u (i32.load offset=12 (local.get $batch)) (i32.const 3)))

;; Whether the record of an offset is among them.
(func $has (param $batch i32) (param $offset i64) (result i32)
  (local $first i64)
  (local.set $first (i64.load (i32.load offset=8 (local.get $batch))))
  (i32.and
    (i64.le_s (local.get $first) (local.get $offset))
    (i64.lt_s (local.get $offset)
      (i64.add (local.get $first) (i64.extend_i32_u (call $records (local.get $batch)))))))

;; An answer of these outputs.
(func $answer (param $outputs i32) (param $count i32) (result i32)
  (i32.store offset=4 (i32.const 3072) (local.get $outputs))
  (i32.store offset=8 (i32.const 3072) (local.get $count))
  (i32.const 3072))

(func $forward (param $sink i32) (param $indices i32) (param $bytes i32) (result i32)
  (i32.store8 (i32.const 3104) (i32.const 0))
  (i32.store offset=4 (i32.const 3104) (local.get $sink))
  (i32.store offset=8 (i32.const 3104) (local.get $indices))
  (i32.store offset=12 (i32.const 3104) (local.get $bytes))
  (call $answer (i32.const 3104) (i32.const 1)))

(func $forward_all (param $batch i32) (result i32)
  (local $count i32) (local $at i32) (local $i i32)
  (local.set $count (call $records (local.get $batch)))
  (local.set $at (call $new (i32.shl (local.get $count) (i32.const 2))))
  (loop $each
    (if (i32.lt_u (local.get $i) (local.get $count)) (then
      (i32.store (i32.add (local.get $at) (i32.shl (local.get $i) (i32.const 2))) (local.get $i))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $each))))
  (call $forward (i32.const 0) (local.get $at) (i32.shl (local.get $count) (i32.const 2))))

;; So many empty messages of the first record; `$zeros` has four zero bytes for each.
(func $messages (param $count i32) (param $zeros i32) (result i32)
  (local $bytes i32)
  (local.set $bytes (i32.shl (local.get $count) (i32.const 2)))
  (i32.store8 (i32.const 3104) (i32.const 1))
  (i32.store offset=4 (i32.const 3104) (i32.const 0))
  ;; origin
  (i32.store offset=8 (i32.const 3104) (local.get $zeros))
  (i32.store offset=12 (i32.const 3104) (local.get $bytes))
  ;; keys, all null: validity, ends, bytes
  (i32.store offset=16 (i32.const 3104) (local.get $zeros))
  (i32.store offset=20 (i32.const 3104) (i32.shr_u (i32.add (local.get $count) (i32.const 7)) (i32.const 3)))
  (i32.store offset=24 (i32.const 3104) (local.get $zeros))
  (i32.store offset=28 (i32.const 3104) (local.get $bytes))
  (i32.store offset=32 (i32.const 3104) (i32.const 0))
  (i32.store offset=36 (i32.const 3104) (i32.const 0))
  ;; values: no validity, ends, bytes
  (i32.store offset=40 (i32.const 3104) (i32.const 0))
  (i32.store offset=44 (i32.const 3104) (i32.const 0))
  (i32.store offset=48 (i32.const 3104) (local.get $zeros))
  (i32.store offset=52 (i32.const 3104) (local.get $bytes))
  (i32.store offset=56 (i32.const 3104) (i32.const 0))
  (i32.store offset=60 (i32.const 3104) (i32.const 0))
  ;; no headers
  (i32.store8 offset=64 (i32.const 3104) (i32.const 0))
  (call $answer (i32.const 3104) (i32.const 1)))

;; So many rows (0, null, null) of the first record.
(func $rows (param $count i32) (param $zeros i32) (result i32)
  (local $bytes i32) (local $bits i32)
  (local.set $bytes (i32.shl (local.get $count) (i32.const 2)))
  (local.set $bits (i32.shr_u (i32.add (local.get $count) (i32.const 7)) (i32.const 3)))
  (i32.store8 (i32.const 3104) (i32.const 2))
  (i32.store offset=4 (i32.const 3104) (i32.const 1))
  (i32.store offset=8 (i32.const 3104) (local.get $zeros))
  (i32.store offset=12 (i32.const 3104) (local.get $bytes))
  (i32.store offset=16 (i32.const 3104) (i32.const 3232))
  (i32.store offset=20 (i32.const 3104) (i32.const 3))
  ;; id: no validity, int32s
  (i32.store8 offset=8 (i32.const 3232) (i32.const 2))
  (i32.store offset=12 (i32.const 3232) (local.get $zeros))
  (i32.store offset=16 (i32.const 3232) (local.get $bytes))
  ;; note and amount: validity, packed: ends, bytes
  (i32.store (i32.const 3260) (local.get $zeros))
  (i32.store offset=4 (i32.const 3260) (local.get $bits))
  (i32.store8 offset=8 (i32.const 3260) (i32.const 6))
  (i32.store offset=12 (i32.const 3260) (local.get $zeros))
  (i32.store offset=16 (i32.const 3260) (local.get $bytes))
  (memory.copy (i32.const 3288) (i32.const 3260) (i32.const 28))
  (call $answer (i32.const 3104) (i32.const 1)))

(export "memory" (memory $memory))

(export "cabi_realloc" (func $realloc))

(export "pelton:job/task@0.1.0#describe" (func $describe))

(export "pelton:job/task@0.1.0#configure" (func $configure))

(export "pelton:job/task@0.1.0#process" (func $process))

(export "cabi_post_pelton:job/task@0.1.0#process" (func $after))
